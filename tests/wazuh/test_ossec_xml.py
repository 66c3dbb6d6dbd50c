"""Reading elements out of a file that is not quite XML, and refusing what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.wazuh.ossec_xml import Element, OssecSyntaxError, wodles

REST = b"""<ossec_config>
  <localfile><command>df -P && echo <done></command></localfile>
  <!-- -- <wodle name="aws-s3"/> -- -->
  <wodle name="syscollector"><disabled>no</disabled></wodle>
</ossec_config>
"""


def read(text: str) -> list[Element]:
    return wodles(text.encode(), "aws-s3")


def fault(text: str) -> str:
    with pytest.raises(OssecSyntaxError) as raised:
        read(text)
    return f"{raised.value.line}: {raised.value}"


def test_an_element_has_its_attributes_text_and_line() -> None:
    found = read('\n\n<wodle name="aws-s3">\r\n\n  <bucket type="waf"> acme <!-- old --></bucket>\n</wodle>')
    assert found == [
        Element(
            "wodle",
            {"name": "aws-s3"},
            line=3,
            children=[Element("bucket", {"type": "waf"}, line=5, text="acme")],
        )
    ]


def test_what_other_modules_have_need_not_be_xml() -> None:
    content = REST + b'<ossec_config>\n<wodle name="aws-s3"><interval>1m</interval></wodle>' + REST + b"\xff\x00<<<"
    [found] = wodles(content, "aws-s3")
    assert (found.line, found.children) == (7, [Element("interval", {}, 7, "1m")])


def test_all_blocks_of_the_name_are_found_in_their_order() -> None:
    assert [element.line for element in read("<wodle name='aws-s3'/>\n<wodle\nname = 'aws-s3' ></wodle>")] == [1, 2]
    assert read("<wodles name='aws-s3'/> <wodle/> <wodle name='aws'/> wodle name='aws-s3'") == []


def test_a_byte_order_mark_and_other_letters_are_fine() -> None:
    [found] = wodles("\ufeff<wodle name='aws-s3'>Größe</wodle>".encode(), "aws-s3")
    assert found.text == "Größe"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("a&b", "a&b"),
        ("a &amp;&lt;&#65;& b", "a &<A& b"),
        ("<![CDATA[a<b&c&amp;<!-- d -->]]>", "a<b&c&amp;<!-- d -->"),
        ("a<!-- -- \n & < -->b", "a \nb"),
    ],
)
def test_characters_stand_for_themselves_where_they_can(written: str, text: str) -> None:
    [found] = read(f"<wodle name='aws-s3'>{written}</wodle>")
    assert "".join(found.text.split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n<wodle name='aws-s3'>\n<a>", "3: this is not XML: no element found in <a> of line 3."),
        ("<wodle name='aws-s3'>\n<name><BUCKET></name>", "2: this is not XML: mismatched tag in <BUCKET> of line 2."),
        ("<wodle name='aws-s3'>\n<name>a<b</name>", "2: this is not XML: "),
        ("<wodle name='aws-s3'>&nbsp;</wodle>", "1: this is not XML: undefined entity in <wodle> of line 1."),
        ("<wodle name='aws-s3' name='b'/>", "1: this is not XML: duplicate attribute."),
        ("<wodle name=aws-s3></wodle>", "1: this is not XML: not well-formed (invalid token)."),
        ("\n\n<wodle", None),
        ("\n<wodle ", "2: this is not XML: unclosed token."),
        ("\n<!-- <wodle name='aws-s3'/>", "2: a comment begins here and does not end"),
    ],
)
def test_a_fault_names_its_line(text: str, said: str | None) -> None:
    if said is None:
        assert read(text) == []
    else:
        assert fault(text).startswith(said)


@pytest.mark.parametrize("inside", [False, True])
def test_no_entity_is_ever_defined(inside: bool) -> None:
    laughs = "".join(f"<!ENTITY l{n + 1} '{f'&l{n};' * 10}'>" for n in range(20))
    doctype = f"<!DOCTYPE lolz [<!ENTITY l0 'ha'>{laughs}]>"
    wodle = f"<wodle name='aws-s3'>{doctype if inside else ''}&l20;</wodle>"
    assert fault(f"\n{'' if inside else doctype}{wodle}") == "2: a document type is not allowed"


def test_bytes_that_are_not_utf_8_are_a_fault_where_they_matter() -> None:
    with pytest.raises(OssecSyntaxError, match="not XML"):
        wodles(b"<wodle name='aws-s3'>\xfcber</wodle>", "aws-s3")
    [found] = wodles(b"<!-- f\xfcr --><wodle name='aws-s3'><!-- f\xfcr --></wodle>\xfc", "aws-s3")
    assert found.text == ""


XML = [b"\n", b"<a>", b"</a>", b"<!DOCTYPE", b"\xff", b"\x00", b"<?xml version='1.0' encoding='utf-16'?>"]
pieces = st.lists(
    st.sampled_from(
        [
            *XML,
            b"<wodle ",
            b'name="aws-s3"',
            b">",
            b"/>",
            b"</wodle>",
            b"<!--",
            b"-->",
            b"<![CDATA[",
            b"]]>",
            b"&",
            b"&lt;",
            b"=",
        ]
    ),
    max_size=20,
).map(b"".join)


@given(st.binary() | pieces | pieces.map(lambda content: b'<wodle name="aws-s3">' + content + b"</wodle>"))
def test_any_bytes_are_read_or_a_fault_in_one_of_their_lines(content: bytes) -> None:
    lines = content.count(b"\n") + 1
    try:
        found = wodles(content, "aws-s3")
    except OssecSyntaxError as fault:
        assert 1 <= fault.line <= lines
    else:
        assert all(1 <= element.line <= lines for element in found)
