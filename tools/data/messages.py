"""What a message asks for: HWU64, Snips and the Schema-Guided Dialogues."""

import json

from rows import Row, others, pick, rng

ASK_INTENT = (
    "What does the user want?",
    "What does this message ask for?",
    "Which of these does the speaker want to do?",
    "What is this request about?",
    "Choose the purpose of this message.",
)

HWU64_LABELS = {
    "alarm_query": "check alarms",
    "alarm_remove": "delete an alarm",
    "alarm_set": "set an alarm",
    "audio_volume_down": "turn the volume down",
    "audio_volume_mute": "mute the sound",
    "audio_volume_up": "turn the volume up",
    "calendar_query": "look something up in the calendar",
    "calendar_remove": "remove an event from the calendar",
    "calendar_set": "add an event to the calendar",
    "cooking_recipe": "get a recipe",
    "datetime_convert": "convert between time zones",
    "datetime_query": "ask for the time or date",
    "email_addcontact": "add an email contact",
    "email_query": "check emails",
    "email_querycontact": "look up a contact",
    "email_sendemail": "send an email",
    "general_affirm": "say that it was understood right",
    "general_commandstop": "stop or cancel",
    "general_confirm": "ask whether it was understood",
    "general_dontcare": "say that anything is fine",
    "general_explain": "ask for an explanation",
    "general_joke": "hear a joke",
    "general_negate": "say that it was misunderstood",
    "general_praise": "thank or praise the assistant",
    "general_repeat": "hear it again",
    "iot_cleaning": "start the vacuum cleaner",
    "iot_coffee": "make coffee",
    "iot_hue_lightchange": "change the colour of the lights",
    "iot_hue_lightdim": "dim the lights",
    "iot_hue_lightoff": "turn the lights off",
    "iot_hue_lighton": "turn the lights on",
    "iot_hue_lightup": "make the lights brighter",
    "iot_wemo_off": "turn a smart plug off",
    "iot_wemo_on": "turn a smart plug on",
    "lists_createoradd": "make a list or add to it",
    "lists_query": "hear what is on a list",
    "lists_remove": "delete a list or an item on it",
    "music_likeness": "say what music they like",
    "music_query": "ask about a song",
    "music_settings": "change how music is played",
    "news_query": "hear the news",
    "play_audiobook": "play an audiobook",
    "play_game": "play a game",
    "play_music": "play music",
    "play_podcasts": "play a podcast",
    "play_radio": "play the radio",
    "qa_currency": "ask about exchange rates",
    "qa_definition": "get a definition",
    "qa_factoid": "ask about a fact",
    "qa_maths": "do a calculation",
    "qa_stock": "ask about share prices",
    "recommendation_events": "find events nearby",
    "recommendation_locations": "find places nearby",
    "recommendation_movies": "find a film to see",
    "social_post": "post on social media",
    "social_query": "hear what is new on social media",
    "takeaway_order": "order food",
    "takeaway_query": "ask about food delivery",
    "transport_query": "ask for directions or connections",
    "transport_taxi": "get a taxi",
    "transport_ticket": "book a ticket",
    "transport_traffic": "ask about traffic",
    "weather_query": "ask about the weather",
}
HWU64_FOLD = "CrossValidation/autoGeneFromRealAnno/autoGene_2018_03_22-13_01_25_169/CrossValidation/KFold_1"


def hwu64(source):
    """64 intents at home less general_quirky, which holds everything else; the first of the authors' ten folds."""
    for split, folder in (("", "trainset"), ("test", "testset/csv")):
        for intent, label in HWU64_LABELS.items():
            path = f"{HWU64_FOLD}/{folder}/{intent}.csv"
            for number, record in enumerate(source.csv(path, delimiter=";")):
                key = f"{intent}-{split or 'train'}-{number}"
                text = record["answer_from_user"].strip("<>\" ") or record["answer_from_anno"]
                yield Row(
                    key,
                    pick(ASK_INTENT, key),
                    [label] + others(HWU64_LABELS.values(), label, key),
                    path,
                    context=text,
                    split=split,
                    label=label,
                    task="hwu64_" + intent.split("_")[0],
                    same=text,
                )


SNIPS_LABELS = {
    "AddToPlaylist": ("add a song to a playlist", "add to playlist"),
    "BookRestaurant": ("book a table", "book restaurant"),
    "GetWeather": ("hear the weather forecast", "get weather"),
    "PlayMusic": ("listen to music", "play music"),
    "RateBook": ("give a book a rating", "rate book"),
    "SearchCreativeWork": ("find a film, book, song or game", "search creative work"),
    "SearchScreeningEvent": ("find out when and where a film is shown", "search screening event"),
}


def snips(source):
    """Seven intents, each row with three to six others."""
    folder = "2017-06-custom-intent-engines"
    for intent in SNIPS_LABELS:
        for split, path in (
            ("", f"{folder}/{intent}/train_{intent}_full.json"),
            ("test", f"{folder}/{intent}/validate_{intent}.json"),
        ):
            for number, query in enumerate(json.loads(source.mixed(path))[intent]):
                text = "".join(part["text"] for part in query["data"])
                key = f"{intent}-{split or 'train'}-{number}"
                wording = rng("wording", key).randrange(2)
                labels = {name: texts[wording] for name, texts in SNIPS_LABELS.items()}
                wrong = others(labels.values(), labels[intent], key, most=6)
                yield Row(
                    key,
                    pick(ASK_INTENT, key),
                    [labels[intent]] + wrong,
                    path,
                    context=text,
                    split=split,
                    label=intent,
                    same=text,
                )


SGD_FILES = {
    "": [f"train/dialogues_{n:03}.json" for n in (*range(1, 37, 3), *range(95, 104), *range(119, 128))],
    "test": [f"test/dialogues_{n:03}.json" for n in (*range(1, 12), 13, 14, 15, 17, 18, 20, 21, 24, 25)],
}
SGD_KIN = {"Media": "Movies", "Payment": "Banks", "RideSharing": "RentalCars"}  # domains that share requests


def sgd_domain(service):
    domain = service.split("_")[0]
    return SGD_KIN.get(domain, domain)


def sgd_intents(source):
    """Requests that state an intent of a service; the wrong ones are of the same service or of another domain."""
    services = {}
    for split in ("train", "test"):
        for service in source.json(f"{split}/schema.json"):
            services[service["service_name"]] = {
                intent["name"]: intent["description"].rstrip(".") for intent in service["intents"]
            }
    for split, paths in SGD_FILES.items():
        for path in paths:
            for dialogue in source.json(path):
                yield from sgd_rows(dialogue, services, path, split)


def sgd_rows(dialogue, services, path, split):
    for number, turn in enumerate(dialogue["turns"]):
        stated = [
            (frame["service"], action["values"][0])
            for frame in turn["frames"]
            for action in frame["actions"]
            if action["act"] == "INFORM_INTENT"
        ]
        if turn["speaker"] != "USER" or len(stated) != 1:
            continue
        service, intent = stated[0]
        key = f"{split or 'train'}-{dialogue['dialogue_id']}-{number}"
        before = f"Assistant: {dialogue['turns'][number - 1]['utterance']}\nUser: " if number else ""
        right = services[service][intent]
        far = {
            text
            for other, intents in services.items()
            if sgd_domain(other) != sgd_domain(service)
            for text in intents.values()
        }
        near = [text for name, text in services[service].items() if name != intent]
        wrong = near[:2] + others(far, right, key, least=4, most=7)
        yield Row(
            key,
            pick(ASK_INTENT, key),
            [right] + [text for text in wrong if text.lower() != right.lower()],
            path,
            context=before + turn["utterance"],
            split=split,
            label=service.split("_")[0] + intent,
            task="sgd_" + service.split("_")[0].lower(),
            same=before + turn["utterance"],
        )
