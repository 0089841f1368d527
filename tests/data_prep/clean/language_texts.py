"""Short texts written for these tests (CC0 1.0), by the language they are in."""

TEXTS: dict[str, tuple[str, ...]] = {
    "hi-Deva": (
        "सुबह होते ही गाँव के लोग खेतों की ओर निकल पड़े। रात की बारिश से मिट्टी नरम हो गई थी और बच्चे पगडंडी पर फिसलते हुए हँस रहे थे।",
        "रेलगाड़ी दो घंटे देर से आई, इसलिए हमने स्टेशन पर ही चाय पी और पुराने दिनों की बातें करते रहे। उसे दिल्ली पहुँचने की जल्दी नहीं थी।",
        "वैज्ञानिकों का कहना है कि नदी का पानी पिछले दस साल में और गंदा हुआ है। इसके लिए कारखानों के साथ-साथ शहर की नालियाँ भी ज़िम्मेदार हैं।",
        "अगर आप यह सब्ज़ी बनाना चाहते हैं तो पहले प्याज़ को तेल में सुनहरा होने तक भूनें, फिर टमाटर और मसाले डालकर दस मिनट तक पकाएँ।",
        "मैंने उससे पूछा कि वह कल स्कूल क्यों नहीं आया। उसने कुछ कहा नहीं, बस अपनी किताब खोली और खिड़की के बाहर देखने लगा।",
        "पुस्तकालय में पाँच हज़ार किताबें हैं, जिनमें से आधी बच्चों के लिए हैं। सदस्य बनने के लिए किसी को पैसे नहीं देने पड़ते।",
    ),
    "mr-Deva": (
        "सकाळी लवकर उठून आई शेतात गेली आणि आम्ही मुलं शाळेत गेलो. पाऊस पडत होता म्हणून रस्त्यावर खूप चिखल झाला होता.",
        "हे शहर समुद्राच्या किनाऱ्यावर वसलेले आहे. येथे दरवर्षी हजारो पर्यटक येतात आणि मासेमारी हा इथल्या लोकांचा मुख्य व्यवसाय आहे.",
        "मला वाटते की त्याने खरे सांगितले नाही. तो काल घरी नव्हता, पण त्याच्या आईला याबद्दल काहीच माहीत नाही.",
        "शेतकऱ्यांना मदत करण्यासाठी सरकारने नवी योजना सुरू केली आहे. या योजनेमुळे बियाणे आणि खते कमी दरात मिळणार आहेत.",
        "आजी आम्हाला रोज रात्री गोष्ट सांगत असे. त्या गोष्टींमध्ये राजा, राणी आणि एक हुशार कोल्हा असायचा.",
        "पुस्तक वाचून झाल्यावर ते परत जागेवर ठेवा. ग्रंथालयात मोठ्याने बोलू नये असे तिने मुलांना सांगितले.",
    ),
    "ne-Deva": (
        "बिहानै उठेर आमा खेततिर जानुभयो र हामी विद्यालय गयौं। राति पानी परेको थियो त्यसैले बाटो हिलो भएको थियो।",
        "नेपालमा धेरै हिमालहरू छन्। सगरमाथा संसारको सबैभन्दा अग्लो हिमाल हो र यसलाई हेर्न हरेक वर्ष हजारौं मानिसहरू आउँछन्।",
        "मलाई थाहा छैन उनी किन आएनन्। हिजो उनले भेट्ने भनेका थिए तर आज फोन पनि उठाएनन्।",
        "सरकारले किसानहरूका लागि नयाँ कार्यक्रम ल्याएको छ। यसबाट बीउ र मल सस्तोमा पाइनेछ भन्ने विश्वास गरिएको छ।",
        "मेरो गाउँ नदीको किनारमा छ। त्यहाँका मानिसहरू माछा मार्ने काम गर्छन् र साँझमा चौतारीमा बसेर गफ गर्छन्।",
        "यो किताब धेरै राम्रो छ। मैले दुई दिनमा पढेर सकें, अब तिमी पनि पढ अनि मलाई कस्तो लाग्यो भन।",
    ),
    "sa-Deva": (
        "एकस्मिन् वने एकः सिंहः वसति स्म। सः प्रतिदिनं बहून् पशून् मारयति स्म। तस्मात् सर्वे पशवः भीताः आसन्।",
        "अहं प्रातःकाले उत्थाय उद्यानं गच्छामि। तत्र मम मित्राणि अपि आगच्छन्ति। वयं सर्वे मिलित्वा क्रीडामः।",
        "विद्या ददाति विनयम् इति जनाः वदन्ति। यः विनीतः भवति सः सर्वत्र आदरं लभते। अतः सर्वैः पठितव्यम्।",
        "अस्माकं देशे बहवः नद्यः सन्ति। तासु गङ्गा पवित्रा इति मन्यते। तस्याः जलं हिमालयात् आगच्छति।",
        "रामः पितुः आज्ञां पालयितुं वनं गतवान्। तेन सह सीता लक्ष्मणः च अपि अगच्छताम्। तत्र ते चतुर्दश वर्षाणि अवसन्।",
        "गुरुः शिष्यम् अवदत् यत् परिश्रमेण विना किमपि न सिध्यति। शिष्यः तस्य वचनं श्रुत्वा पुनः अभ्यासं कृतवान्।",
    ),
    "brx-Deva": (
        "बियो गामिनि फरायसालियाव फरायो। बिनि बिफाया आबादारि आरो बिमाया न'नि खामानि मावो। बिसोर गासैबो गोजोनै थायो।",
        "आं दिनै हाथाइयाव थांनाय। बेयाव गोबां मानसिफोर फैदोंमोन। आंनो मोनसे गोदान बिजाब नांगौ जादों।",
        "बर' हारिमुनि मोसानायफोर गोबां समायना। बैसागु समाव सेंग्रा आरो सिख्लाफोरा मोसायो, नाथाय दिनै बेखौ बावगारबाय।",
        "जोंनि हादोराव गोबां दैमाफोर दं। बेफोरनि दैखौ आबादनि थाखाय बाहायो आरो ना हमनो थाखाय सुबुंफोरा थाङो।",
    ),
    "mai-Deva": (
        "ओ भोरे उठि कऽ खेत गेलाह आ हम सभ इसकूल गेलहुँ। राति मे बरखा भेल छल तेँ बाट पर थाल-कादो छल।",
        "मिथिलाक लोक माछ आ मखान बहुत पसिन करैत छथि। एहि ठामक चित्रकला सेहो संसार भरि मे प्रसिद्ध अछि।",
        "हमरा नहि बूझल अछि जे ओ किएक नहि अयलाह। काल्हि ओ कहने छलाह जे भेंट करब, मुदा आइ फोनो नहि उठौलनि।",
        "सरकार किसान लोकनिक लेल नव योजना अनलक अछि। एहि सँ बीआ आ खाद कम दाम मे भेटत से कहल गेल अछि।",
        "हमर गाम कमला नदीक कात मे अछि। ओतए एकटा पुरान मंदिर छै जकर कथा बूढ़ लोक सभ सुनबैत छथि।",
        "ई पोथी बड़ नीक अछि। हम दू दिन मे पढ़ि लेलहुँ, आब अहाँ सेहो पढ़ू आ हमरा कहू जे केहन लागल।",
    ),
    "bho-Deva": (
        "भोरे उठ के माई खेत में गइली आ हमनी के इसकूल गइनी जा। रात में बरखा भइल रहे एही से रस्ता में कीचड़ रहल।",
        "ई गाँव गंगा जी के किनारे बसल बा। इहाँ के लोग मछरी मारेला आ खेती करेला। साल में एक बेर बड़का मेला लागेला।",
        "हमरा नइखे मालूम कि ऊ काहे ना अइलन। काल्ह कहले रहलन कि भेंट करब बाकिर आज फोनो ना उठवलन।",
        "सरकार किसान लोग खातिर नया योजना ले आइल बा। एकरा से बीया आ खाद सस्ता में मिली, अइसन कहल जात बा।",
        "हमार आजी रोज रात के कहनी सुनावत रहली। ओह कहनी में एगो राजा रहे आ एगो चालाक सियार रहे।",
        "ई किताब बहुत नीमन बा। हम दू दिन में पढ़ लिहनी, अब रउआ पढ़ीं आ बताईं कि कइसन लागल।",
    ),
    "hi-Latn": (
        "subah hote hi gaon ke log kheton ki or nikal pade. raat ki barish se mitti naram ho gayi thi aur bachche hans rahe the.",
        "train do ghante late aayi isliye humne station par hi chai pee aur purane dino ki baatein karte rahe.",
        "main kal market gaya tha lekin wahan kuch bhi accha nahi mila, to khali haath wapas aa gaya. tum kab jaoge?",
        "agar aapko yeh sabzi banani hai to pehle pyaaz ko tel mein bhun lijiye, phir tamatar aur masale daliye.",
        "maine usse pucha ki woh kal school kyun nahin aaya. usne kuch nahi kaha, bas apni kitab kholi aur baith gaya.",
        "mujhe nahi pata ki unhone aisa kyu kiya, par hum sab ko bahut dukh hua. ab kya kar sakte hain yaar?",
    ),
    "hinglish": (
        "Yaar kal ki meeting cancel ho gayi hai, ab boss ne bola ki presentation next Monday ko dena padega, so weekend pe kaam karna hai.",
        "Maine naya phone order kiya tha but delivery abhi tak nahi aayi, customer care wale bol rahe hain ki refund mil jayega.",
        "Movie ka first half thoda slow tha lekin climax ekdum mast hai, songs bhi acche hain, ek baar to dekhna chahiye.",
        "Bhai traffic itna zyada tha ki main office late pahuncha, aur upar se laptop bhi charge nahi kiya tha, full bad day.",
        "Weekend pe kya plan hai? Hum log Goa jaane ka soch rahe hain, tickets sasti mil rahi hain, tum bhi chalo na please.",
    ),
    "en-Latn": (
        "The train was two hours late, so we drank tea at the station and talked about the old days until it finally came in.",
        "If you want to make this curry, first fry the onions in oil until they are golden, then add the tomatoes and the spices.",
        "Scientists say that the water of the river has become dirtier in the last ten years, and that the factories are to blame.",
        "I asked him why he had not come to school yesterday. He said nothing, opened his book and looked out of the window.",
        "The library has five thousand books, half of which are for children. Nobody has to pay to become a member.",
        "When the rain stopped, the children ran out of the house and jumped into every puddle they could find on the way.",
    ),
    "fr-Latn": (
        "Le train avait deux heures de retard, alors nous avons bu un thé à la gare et parlé du passé jusqu'à son arrivée.",
        "Si vous voulez préparer ce plat, faites d'abord revenir les oignons dans l'huile, puis ajoutez les tomates et les épices.",
    ),
    "es-Latn": (
        "El tren llegó con dos horas de retraso, así que tomamos un té en la estación y hablamos de los viejos tiempos.",
        "La biblioteca tiene cinco mil libros y la mitad son para los niños. Nadie tiene que pagar para ser socio.",
    ),
}
"""Hinglish is Hindi in Latin letters mixed with English."""

CORPUS_LANGUAGE = {"hinglish": "hi-Latn"}
"""The corpus a text belongs in, where it is not named after it."""
