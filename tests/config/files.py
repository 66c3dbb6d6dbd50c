"""Files as Wazuh reads them: those of its documentation, as they are printed there, and others."""

from pathlib import Path

EXAMPLES = sorted((Path(__file__).parent / "documentation").iterdir())
"""Every `<wodle>` of the documentation."""

PLACEHOLDERS = {
    "<WAZUH_AWS_BUCKET>": "wazuh-aws-bucket",
    "<WAZUH_CLOUDTRAIL>": "wazuh-cloudtrail",
    "WAZUH_AWS_BUCKET": "wazuh-aws-bucket",
}


def example(name: str) -> str:
    """Return an example of the documentation, with names of buckets where it has placeholders."""
    [path] = (path for path in EXAMPLES if path.stem == name)
    text = path.read_text(encoding="utf-8")
    for placeholder, bucket in PLACEHOLDERS.items():
        text = text.replace(placeholder, bucket)
    return text


def wodle(*lines: str) -> str:
    """Return a file with one block that holds the lines, the first of which is the file's third."""
    inside = "\n".join(lines)
    return f'<ossec_config>\n<wodle name="aws-s3">\n{inside}\n</wodle>\n</ossec_config>\n'


def bucket(*tags: str, type_: str = "cloudtrail", name: str = "acme-logs") -> str:
    """Return a bucket's block, in one line."""
    return f'<bucket type="{type_}"><name>{name}</name>{"".join(tags)}</bucket>'
