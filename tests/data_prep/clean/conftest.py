"""Documents for the tests of stage clean."""

from data_prep.documents import Document

HINDI = (
    "सुबह होते ही गाँव के लोग खेतों की ओर निकल पड़े। रात की बारिश से मिट्टी नरम हो गई थी और "
    "बच्चे पगडंडी पर फिसलते हुए हँस रहे थे।\n\n"
    "रेलगाड़ी दो घंटे देर से आई, इसलिए हमने स्टेशन पर ही चाय पी और पुराने दिनों की बातें करते रहे। उसे घर पहुँचने की जल्दी नहीं थी।"
)
ENGLISH = (
    "The train was two hours late, so we drank tea at the station and "
    "talked about the old days until it finally "
    "came in.\n\n"
    "I asked him why he had not come to school yesterday. He said nothing, "
    "opened his book and looked out of the window."
)


def document(text: str, lang: str = "hi-Deva") -> Document:
    return Document(
        id="d1", text=text, lang=lang, kind="real", source="web", license="CC0-1.0", parent_id=None, group="d1"
    )
