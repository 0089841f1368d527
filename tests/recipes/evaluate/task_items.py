"""A few items of every task in the schema of its source, in words of our own: {folder: {split: records}}."""

import json
from pathlib import Path
from typing import Any

Records = list[dict[str, Any]]


def _pairs(*records: dict[str, Any], examples: int = 1) -> dict[str, Records]:
    """All but the last as test items, the last as examples."""
    return {"test": list(records[:-examples]), "validation": list(records[-examples:])}


def _review(text: str, label: str | None) -> dict[str, Any]:
    return {
        "GENERIC CATEGORIES": "घर",
        "CATEGORY": "रसोई",
        "SUB-CATEGORY": "बर्तन",
        "PRODUCT": "कड़ाही",
        "BRAND": "घरेलू",
        "ASPECTS": "टिकाऊपन",
        "ASPECT COMBO": "टिकाऊपन",
        "ENGLISH REVIEW": "A review.",
        "LABEL": label,
        "INDIC REVIEW": text,
    }


def _copa(number: int, premise: str, choices: tuple[str, str], question: str, label: int) -> dict[str, Any]:
    one, two = choices
    return {
        "premise": premise,
        "choice1": one,
        "choice2": two,
        "question": question,
        "label": label,
        "idx": number,
        "changed": False,
    }


def _science(number: int, question: str, texts: list[str], answer: str, *, letters: str = "ABCD") -> dict[str, Any]:
    return {
        "id": f"item-{number}",
        "question": question,
        "choices": {"text": texts, "label": list(letters[: len(texts)])},
        "answerKey": answer,
    }


def _scene(number: int, context: str, endings: list[str], label: str) -> dict[str, Any]:
    """As ai4bharat translated it: the context English, endings Hindi, here and there an empty one."""
    return {
        "ind": number,
        "activity_label": "Cooking",
        "ctx_a": context,
        "ctx_b": "then",
        "ctx": f"{context} then",
        "endings": endings,
        "source_id": f"own~{number}",
        "split": "val",
        "split_type": "indomain",
        "label": label,
    }


ARC = _pairs(
    _science(1, "पौधे अपना भोजन किस की सहायता से बनाते हैं?", ["सूर्य का प्रकाश", "चाँदनी", "लोहा", "धुआँ"], "A"),
    _science(2, "इनमें से कौन सा जीव अंडे देता है?", ["गाय", "मुर्गी", "बकरी"], "2", letters="123"),
    _science(3, "पानी जमने पर क्या बनता है?", ["भाप", "रेत", "बर्फ़", "तेल", "कोयला"], "C", letters="ABCDE"),
    _science(4, "पृथ्वी किसके चारों ओर घूमती है?", ["सूर्य", "चंद्रमा", "मंगल", "शुक्र"], "A"),
)
NEWS = (
    "शनिवार को शहर में तेज़ बारिश हुई। कई सड़कों पर पानी भर गया और लोगों को दफ़्तर पहुँचने में देर हुई।",
    "गाँव के स्कूल में नया पुस्तकालय खुला। बच्चों ने पहले ही दिन पचास किताबें पढ़ने के लिए लीं।",
    "किसानों ने इस साल गेहूँ की अच्छी फ़सल काटी। मंडी में दाम भी पिछले साल से बेहतर रहे।",
)
HEADLINES = ("तेज़ बारिश से सड़कों पर भरा पानी", "गाँव के स्कूल में खुला पुस्तकालय", "गेहूँ की अच्छी फ़सल, बेहतर दाम")

ITEMS: dict[str, dict[str, Records]] = {
    "indic_sentiment_hi": _pairs(
        _review("कड़ाही मज़बूत है और खाना इसमें चिपकता नहीं।", "Positive"),
        _review("दो ही दिन में हत्था टूट गया, पैसे बेकार गए।", "Negative"),
        _review("इस पर कोई राय नहीं दी गई।", None),
        _review("बहुत बढ़िया कपड़ा है, धोने पर रंग नहीं उतरता।", "Positive"),
    ),
    "indic_copa_hi": {
        "test": [
            _copa(0, "सड़क गीली थी।", ("रात को बारिश हुई थी।", "रात को तारे निकले थे।"), "cause", 0),
            _copa(1, "बच्चे को भूख लगी।", ("वह सो गया।", "उसने खाना माँगा।"), "effect", 1),
            _copa(2, "दीया बुझ गया।", ("कमरे में अँधेरा हो गया।", "कमरे में धूप आ गई।"), "effect", 0),
        ]
    },
    "indic_xnli_hi": _pairs(
        {"premise": "दुकान रात नौ बजे बंद हो गई।", "hypothesis": "दुकान दस बजे बंद थी।", "label": 0},
        {"premise": "दुकान रात नौ बजे बंद हो गई।", "hypothesis": "दुकानदार का नाम मोहन है।", "label": 1},
        {"premise": "दुकान रात नौ बजे बंद हो गई।", "hypothesis": "दुकान पूरी रात खुली रही।", "label": 2},
        {"premise": "सभी बच्चे मैदान में खेल रहे थे।", "hypothesis": "कोई बच्चा नहीं खेल रहा था।", "label": 2},
    ),
    "indic_xparaphrase_hi": {
        "test": [
            {
                "english": "The train arrived two hours late.",
                "sentence1": "रेलगाड़ी दो घंटे देर से पहुँची।",
                "sentence2": "रेलगाड़ी दो घंटे पहले पहुँची।",
                "label": 0,
            },
            {
                "english": "She does not like tea.",
                "sentence1": "उसे चाय बहुत पसंद है।",
                "sentence2": "उसे चाय पसंद नहीं है।",
                "label": 1,
            },
        ]
    },
    "boolq_hi": {
        "validation": [
            {"question": "क्या गंगा एक नदी है", "passage": "गंगा उत्तर भारत की एक नदी है।", "answer": True},
            {"question": "क्या आम एक सब्ज़ी है", "passage": "आम गर्मियों का एक मीठा फल है।", "answer": False},
        ],
        "train": [{"question": "क्या ऊँट उड़ता है", "passage": "ऊँट रेगिस्तान में चलता है।", "answer": False}],
    },
    "arc_easy_hi": ARC,
    "arc_challenge_hi": ARC,
    "hellaswag_hi": {
        "validation": [
            _scene(
                1,
                "She puts water on the stove.",
                ["उसमें चाय की पत्ती डालती है।", "नाव चलाती है।", "पेड़ पर चढ़ती है।", "जूते सिलती है।"],
                "0",
            ),
            _scene(
                2,
                "The farmer ploughs the field.",
                ["रेलगाड़ी चलाता है।", "तैरता है।", "बीज बोता है।", "गाना भूल जाता है।"],
                "2",
            ),
            _scene(3, "A boy throws a ball.", ["गेंद दूर गिरती है।", "", "वह सो जाता है।", "वह खाना पकाता है।"], "0"),
        ]
    },
    "mmlu_hi": {
        "test": [
            {
                "subject": "geography",
                "question": "भारत की राजधानी क्या है?",
                "A": "मुंबई",
                "B": "नई दिल्ली",
                "C": "चेन्नई",
                "D": "कोलकाता",
                "answer": "B",
            },
            {
                "subject": "anatomy",
                "question": "मनुष्य के हृदय में कितने कक्ष होते हैं?",
                "A": "दो",
                "B": "तीन",
                "C": "चार",
                "D": "पाँच",
                "answer": "C",
            },
        ],
        "dev": [
            {
                "subject": "geography",
                "question": "हिमालय क्या है?",
                "A": "पर्वतमाला",
                "B": "नदी",
                "C": "मरुस्थल",
                "D": "झील",
                "answer": "A",
            }
        ],
    },
    "indic_qa_hi": {
        "test": [
            {
                "id": 1,
                "context": "मीरा का जन्म सन 1980 में जयपुर में हुआ। वह एक चित्रकार है।",
                "question": "मीरा का जन्म कहाँ हुआ?",
                "answers": {"text": ["जयपुर"], "answer_start": [28]},
            },
            {
                "id": 2,
                "context": "मीरा का जन्म सन 1980 में जयपुर में हुआ। वह एक चित्रकार है।",
                "question": "मीरा के भाई का नाम क्या है?",
                "answers": {"text": [""], "answer_start": [-1]},
            },
        ]
    },
    "indic_headline_hi": _pairs(
        *(
            {"id": str(number), "input": text, "target": headline, "url": f"https://example.org/{number}"}
            for number, (text, headline) in enumerate(zip(NEWS, HEADLINES, strict=True))
        )
    ),
    "indic_sentence_summarization_hi": _pairs(
        *(
            {"id": str(number), "input": text, "target": headline, "url": f"https://example.org/{number}"}
            for number, (text, headline) in enumerate(zip(NEWS, HEADLINES, strict=True))
        )
    ),
    "indic_question_generation_hi": _pairs(
        *(
            {
                "id": str(number),
                "squad_id": f"squad-{number}",
                "answer": "शनिवार",
                "context": NEWS[0],
                "question": question,
            }
            for number, question in enumerate(("बारिश किस दिन हुई?", "सड़कों पर पानी कब भरा?", "लोगों को देर कब हुई?"))
        )
    ),
    "indic_wikibio_hi": _pairs(
        *(
            {
                "id": str(number),
                "infobox": f"name_1:{name}\nbirthplace_1:{place}\noccupation_1:{work}",
                "serialized_infobox": f"<TAG> name </TAG> {name}",
                "summary": f"{name} {place} के एक {work} हैं।",
            }
            for number, (name, place, work) in enumerate(
                (("मोहन", "नागपुर", "लेखक"), ("सुरेश", "पटना", "गायक"), ("रमेश", "सूरत", "अध्यापक"))
            )
        )
    ),
    "indic_paraphrase_hi": _pairs(
        *(
            {"id": str(number), "input": text, "target": other, "references": [other] * 5}
            for number, (text, other) in enumerate(
                (
                    ("आज मौसम अच्छा है।", "आज का मौसम सुहावना है।"),
                    ("वह कल आएगा।", "उसका आना कल होगा।"),
                    ("मुझे पानी चाहिए।", "मुझे पानी की ज़रूरत है।"),
                )
            )
        )
    ),
    "indic_quest_hi": {
        "test": [
            {"Question": "ताजमहल किस नदी के किनारे है?", "Answer": "ताजमहल यमुना नदी के किनारे है।", "Domain": "History"},
            {"Question": "भारत में कितने राज्य हैं?", "Answer": "भारत में अट्ठाईस राज्य हैं।", "Domain": "Politics"},
        ]
    },
    "indic_quest_en": {
        "test": [
            {"Question": "Which river does the Taj Mahal stand on?", "Answer": "On the Yamuna.", "Domain": "History"},
            {"Question": "How many states has India?", "Answer": "Twenty-eight.", "Domain": "Politics"},
        ]
    },
}


_KITCHEN = {
    "ind": 1,
    "activity_label": "Cooking",
    "ctx_a": "She puts water on the stove.",
    "ctx_b": "then she",
    "ctx": "She puts water on the stove. then she",
    "endings": ["adds the tea leaves.", "drives a boat.", "climbs a tree.", "mends her shoes."],
    "source_id": "own~1",
    "split": "val",
    "split_type": "indomain",
    "label": "0",
}
_SCHOOL = {
    "link": "https://example.org/1",
    "question_number": 1,
    "flores_passage": "Gaanv mein ek naya school khula. Wahan do sau bachche padhte hain.",
    "question": "School mein kitne bachche padhte hain?",
    "mc_answer1": "Das",
    "mc_answer2": "Do sau",
    "mc_answer3": "Ek hazaar",
    "mc_answer4": "Koi nahin",
    "correct_answer_num": "2",
    "dialect": "hin_Latn",
}
_ANATOMY = {"question": "How many chambers has the heart?", "subject": "anatomy", "choices": list("2345"), "answer": 2}
_CAMEL = {"question": "does a camel fly", "passage": "A camel walks in the desert.", "idx": 0, "label": 0}
UPSTREAM: dict[str, dict[str, Records]] = {
    "hellaswag": {"validation": [_KITCHEN], "train": [{**_KITCHEN, "ind": 2}, {**_KITCHEN, "ind": 3}]},
    "boolq": {"validation": [_CAMEL], "train": [{**_CAMEL, "idx": 1}, {**_CAMEL, "idx": 2}]},
    "arc_easy": {
        "test": [_science(1, "Rain is", ["wet", "dry"], "A")],
        "train": [_science(2, "Night is", ["light", "dark"], "B")],
    },
    "arc_challenge": {
        "test": [_science(1, "Ice is", ["warm", "cold"], "B")],
        "train": [_science(2, "Fire is", ["hot", "wet"], "A")],
    },
    "mmlu_anatomy": {"test": [_ANATOMY], "dev": [{**_ANATOMY, "question": "How many hands has a man?", "answer": 0}]},
    "belebele_hin_Latn": {"test": [_SCHOOL]},
    "global_piqa_parallel_cloze_hin_latn": {
        "test": [
            {
                "prompt": "Chai meethi karne ke liye",
                "solution0": "cheeni daalo.",
                "solution1": "namak daalo.",
                "solution2": "mirch daalo.",
                "solution3": "ret daalo.",
                "label": 0,
            }
        ]
    },
    "global_piqa_nonparallel_cloze_hin_latn": {
        "test": [
            {
                "prompt": "Kapde sukhane ke liye",
                "solution0": "unhe dhoop mein taango.",
                "solution1": "unhe paani mein rakho.",
                "label": 0,
            }
        ]
    },
}
"""The same of tasks of the harness's own."""


def write(root: Path) -> Path:
    """The items as `data_dir=` reads them."""
    for folder, splits in {**ITEMS, **UPSTREAM}.items():
        for split, records in splits.items():
            path = root / folder / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return root
