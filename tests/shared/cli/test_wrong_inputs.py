"""Wrong inputs as a newcomer types them: each gives one line that says what to write, and the exit code of its kind."""

from __future__ import annotations

import shlex
import socket
from pathlib import Path

import pytest

from handwriting.cli import app as characters
from medtl.cli import app as tumours
from shared.errors import UsageError
from shared.runs.folder import finish
from tests.shared.cli.calling import call, is_one_line

APPLICATIONS = {"handwriting": characters, "medtl": tumours}

CALLS = [
    # the call itself
    ("medtl tarin", "unknown command 'tarin'; did you mean train?"),
    ("medtl image.png", "'image.png' is no command but a path; to classify it: medtl predict image.png"),
    ("medtl --verison", "unknown option '--verison'; did you mean --version or --verbose? see `medtl --help`"),
    ("medtl predict", "PATH... is missing: A DICOM file"),
    ("handwriting predict --page", "PATH... is missing: "),
    ("medtl predict image.png --jsno", "unknown option '--jsno'; did you mean --json"),
    ("medtl predict image.png --out", "option '--out' requires an argument: Also write predictions.jsonl"),
    ("medtl report pilot other", "unexpected extra argument (other); see `medtl report --help`"),
    ("medtl train --seeds x", "--seeds: 'x' is no whole number"),
    ("medtl train --seeds 0", "--seeds: 0 is not in the range x>=1"),
    (
        "medtl train --average answer",
        "--average: 'answer' is no choice; did you mean answers? allowed: auto, answers, weights",
    ),
    ("medtl train --ensemble", "--ensemble is the mean of several runs, and --seeds is 1; give --seeds 2 or more"),
    ("medtl train --average weights", "--average is weights, and averages nothing without --ensemble"),
    ("medtl crossval --folds 1", "--folds: 1 is not in the range x>=2"),
    ("medtl crossval --folds 5 --leave-out domain", "both choose the test set; give one of them"),
    ("medtl crossval --leave-out scanner", "--leave-out: 'scanner' is no choice; allowed: domain"),
    ("medtl add-class abscess image.png --out new", "--model is missing: Folder of a finished run"),
    ("medtl pack pilot small", "--licences is missing: Text file with the licences"),
    ("medtl phantom", "OUT is missing: A new folder for the dataset"),
    ("handwriting data downlod dhcd", "unknown command 'downlod'; did you mean download?"),
    ("handwriting data download mnist", "'mnist' is no choice; allowed: dhcd"),
    # keys of a configuration as options, and the reverse
    ("medtl train --seed 1", "--seed is no option but a key of the configuration; write seed=1"),
    ("medtl train --seed=1", "write seed=1"),
    ("medtl train --epochs 5", "write strategy.phases='[{epochs: 5}]'"),
    ("medtl train --data x.zip", "write data.source=x.zip"),
    ("medtl train --batch-size 8", "write strategy.batch_size=8"),
    ("handwriting compare plan.yaml --backbone vgg16", "write backbone.name=vgg16"),
    ("medtl evaluate pilot --seed 1", "unknown option '--seed'; known: --known-only"),
    ("medtl train seed 1", "seed is no configuration but a key of one; write seed=1"),
    ("medtl train own.yaml seed", "'seed' is not of the form key=value, for example seed=1"),
    ("medtl train folder", "folder is no configuration; to train on these data write data.source=folder"),
    # keys and values
    ("medtl train seed=x", "the command line: seed: input should be a whole number, got 'x'"),
    ("medtl train seed=-1", "seed: input should be greater than or equal to 0, got -1"),
    ("medtl train seed=[1", "'[1' is not a YAML value"),
    ("medtl train sede=1", "unknown key 'sede'; did you mean seed? keys: seed, name, data,"),
    ("medtl train source=x.zip", "unknown key 'source'; did you mean data.source=VALUE? keys:"),
    ("medtl train epochs=5", "did you mean strategy.phases='[{epochs: VALUE}]'?"),
    ("medtl train data.sorce=x", "unknown key 'sorce'; did you mean source? keys of data: source, collections"),
    ("medtl train data.target.domian=x", "did you mean domain? keys of data.target: domain, labels"),
    ("medtl train data.split.folds=3 data.split.test=0.1", "data.split.test: does nothing with the other keys"),
    ("medtl train own.yaml data.splt.folds=3", "the command line: data.splt: unknown key 'splt'; did you mean split?"),
    ("medtl train typo.yaml seed=x", "typo.yaml: data.splt: unknown key 'splt'; did you mean split?"),
    ("medtl train data.source=folder device=gpu", "device: input should be 'auto', 'cpu' or 'cuda', got 'gpu'"),
    ("medtl train data.source=folder strategy.name=finetuna", "unknown strategy 'finetuna'; did you mean finetune?"),
    ("medtl train data.source=folder strategy.epchs=3", "did you mean strategy.phases='[{epochs: VALUE}]'?"),
    ("medtl train data.source=folder backbone.name=resnet181", "unknown backbone 'resnet181'; did you mean resnet18"),
    ("medtl train data.source=folder decision.sensitivity=98", "input should be less than or equal to 1, got 98"),
    ("handwriting train data.source=folder decision.sensitivity=0.9", "does nothing in handwriting, which has no"),
    ("handwriting train data.source=folder data.options.margin=9", "margin is 9"),
    # files of configurations
    ("medtl train nowhere.yaml", "nowhere.yaml: cannot be read (No such file or directory)"),
    ("medtl train broken.yaml", "broken.yaml: is not YAML at line 3, column 2 (expected ',' or ']', but got ':')"),
    ("medtl train list.yaml", "list.yaml: holds no keys; a configuration is a mapping, a line reads `key: value`"),
    ("medtl train image.png", "image.png: is no text; a configuration is a YAML file"),
    ("medtl train comparison.yaml", "comparison.yaml: is a comparison, for `compare`"),
    ("medtl compare own.yaml", "own.yaml: is the configuration of a training, for `train`; keys of a comparison:"),
    ("medtl compare comparison.yaml data.sorce=x", "the command line: data.sorce: unknown key 'sorce'"),
    ("medtl compare comparison.yaml seed=1", "the command line: seed: is set by the comparison's own key seeds"),
    ("medtl compare comparison.yaml data.source=nowhere.zip", "nowhere.zip does not exist; give a folder, zip or"),
    # data and weights
    (
        "medtl train",
        "no data are named; write data.source=scans.zip (a folder, zip or manifest), or data.source=phantom",
    ),
    ("handwriting train", "write data.source=letters.zip (a folder, zip or manifest), or data.source=glyphs"),
    ("medtl compare comparison.yaml", "no data are named; write data.source=scans.zip"),
    ("handwriting crossval", "no data are named; write data.source=letters.zip"),
    ("medtl train data.source=nowhere.zip", "nowhere.zip does not exist; give a folder, zip or manifest"),
    ("medtl train data.source=folder backbone.weights=nowhere.pth", "'nowhere.pth': no such file or run; allowed:"),
    ("medtl train data.source=folder backbone.weights=imagnet", "did you mean imagenet? allowed: imagenet, packaged"),
    ("medtl train data.source=folder backbone.weights=image.png", "image.png is no weights file; allowed are .pth"),
    ("medtl audit nowhere", "nowhere does not exist; give a folder, zip or manifest"),
    ("medtl audit folder data.split.hwo=drawn", "unknown key 'hwo'; did you mean how?"),
    ("medtl audit folder data.leak=drop", "no such setting can be given here; did you mean data.leaks? allowed are"),
    ("medtl adapt --source folder", "--source needs a --target"),
    ("medtl adapt --source folder --target folder", "both 'folder'; there is nothing to adapt to"),
    ("medtl adapt --strategy dan", "--strategy: unknown name 'dan'; did you mean dann"),
    ("medtl adapt --loss-weight dann=-1", "--loss-weight of dann is -1; give a number above 0, such as 0.3"),
    ("medtl zero-shot", "give --unseen with names, or --draw with a number of classes; one of them"),
    # runs
    ("medtl predict nowhere.png", "no finished medtl run under runs/"),
    (
        "handwriting predict image.png --model plot",
        "plot: no folder, and no run under runs/; did you mean pilot? there",
    ),
    ("medtl use pilot2", "pilot2: no folder, and no run under runs/; no finished run is there either: `train` makes"),
    ("handwriting report runs/plot", "runs/plot: no folder; did you mean pilot? there are pilot"),
    ("handwriting evaluate half", "runs/half is not finished; start its training again to resume it"),
    ("handwriting evaluate folder", "folder is not a run folder; `train` makes one"),
    ("handwriting evaluate image.png", "image.png is not a run folder"),
    ("medtl evaluate pilot folder --prevalence 2", "--prevalence: 2.0 is not in the range"),
    ("medtl evaluate pilot folder --miss-cost nan", "--miss-cost: nan is not allowed; give a number"),
    ("handwriting ensemble pilot", "a mean is one of several runs, and 1 was given; name at least two"),
    ("handwriting ensemble pilot plot", "plot: no folder, and no run under runs/; did you mean pilot?"),
    ("medtl predict image.png --identifiers", "--identifiers adds UIDs to the JSON of an answer; give --json or --out"),
    ("medtl predict image.png --explain", "--explain writes pictures; name a folder for them with --out"),
    ("handwriting predict image.png --page --explain", "--explain and --page exclude each other"),
    ("medtl pack pilot a/b --licences image.png", "image.png is not text in UTF-8; name a text file with the licences"),
    # places to write, lists, servers
    ("medtl phantom folder", "folder exists and is not an empty folder; give a new one"),
    ("medtl phantom new --scanners atlsa", "--scanners: unknown name 'atlsa'; did you mean atlas"),
    ("medtl audit folder --out image.png", "image.png is a file; name a folder for what is written"),
    ("handwriting data download dhcd --to image.png", "a file has that name where a folder is needed"),
    ("medtl options bakbone", "SECTION: unknown name 'bakbone'; did you mean backbone"),
    ("medtl options data.splt", "SECTION: unknown name 'data.splt'; did you mean data.split"),
    ("medtl serve --port 99999", "--port: 99999 is not in the range 0<=x<=65535"),
    ("medtl serve --keep-minutes nan", "--keep-minutes: nan is not allowed; give a number"),
    ("medtl serve --keep-minutes 0", "--keep-minutes: 0.0 is not in the range 1<=x<=10080"),
    ("medtl listen --port 70000", "the port 70000 is not allowed; it is 1 to 65535"),
    ("medtl listen --series-timeout 0", "give a number of seconds above 0, for example 10"),
    ("medtl listen --series-timeout 5s", "--series-timeout: '5s' is no number"),
    ("medtl listen --keep-days 1", "--keep-days counts from forwarding; give --forward too"),
    ("medtl listen --forward archive", "give AE@host:port, for example ARCHIVE@127.0.0.1:104"),
]
"""Calls that are wrong usage (exit code 2), with a part of what is said."""


def make_place() -> None:
    """Makes a folder of somebody who has just begun: two runs, one of them unfinished, and files of several kinds."""
    pilot = Path("runs/pilot")
    pilot.mkdir(parents=True)
    for name in ("model.json", "model.onnx", "model.safetensors", "features.npz"):
        (pilot / name).write_text("{}")
    finish(pilot, "handwriting")
    Path("runs/half").mkdir()
    Path("runs/half/config.yaml").write_text("name: half\n")
    Path("folder/kept").mkdir(parents=True)
    Path("image.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Path("own.yaml").write_text("backbone: {name: convnet_small, weights: random, size: 32}\n")
    Path("typo.yaml").write_text("data: {splt: {folds: 3}}\n")
    Path("broken.yaml").write_text("name: x\na: [1\nb: }")
    Path("list.yaml").write_text("- 1\n")
    Path("comparison.yaml").write_text(
        "name: two\nbase: own.yaml\nbackbones: {small: {}}\nstrategies: {linear: {strategy.name: linear_probe}}\n"
    )


@pytest.mark.parametrize(("words", "said"), CALLS, ids=[words for words, _ in CALLS])
def test_a_wrong_input_is_one_line_that_says_what_to_write(words: str, said: str) -> None:
    make_place()
    before = {*Path().rglob("*")}
    name, *given = shlex.split(words)
    result = call(APPLICATIONS[name], *given)
    assert is_one_line(result, said), result.output
    assert result.exit_code == 2
    assert {*Path().rglob("*")} == before  # nothing half-written


def test_a_port_in_use_says_so() -> None:
    from shared.web.serving import run_server

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = f"^port {port} of 127.0.0.1 is in use by another program; end that, or choose another --port$"
        with pytest.raises(UsageError, match=said):
            run_server(None, None, "127.0.0.1", port, lambda _: None)  # type: ignore[arg-type] - nothing is served
    with pytest.raises(UsageError, match=r"^cannot listen on nowhere\.invalid \(.*\); --host takes an address"):
        run_server(None, None, "nowhere.invalid", 0, lambda _: None)  # type: ignore[arg-type]
