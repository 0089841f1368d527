from data_prep.translate.chat import contents, with_contents

MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "- a\n- b", "name": "x"},
    {"role": "assistant", "content": "Yes."},
]


def test_only_the_content_of_messages_changes():
    translated = with_contents(MESSAGES, [text.upper() for text in contents(MESSAGES)])

    assert translated == [
        {"role": "system", "content": "BE KIND."},
        {"role": "user", "content": "- A\n- B", "name": "x"},
        {"role": "assistant", "content": "YES."},
    ]
    assert MESSAGES[0]["content"] == "Be kind."
    assert list(translated[1]) == list(MESSAGES[1])
