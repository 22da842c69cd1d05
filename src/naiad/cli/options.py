"""The flags of ServerSettings, made from its options: by section in `--help`, from the environment, some repeatable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from naiad.core.settings.config import GROUPS, options

_VARIABLES = (
    "Every option below a section's name can also be set by an environment variable, such as NAIAD_HTTP_PORT for "
    "--http-port. If both are given, the option counts."
)


class SettingOption(click.Option):
    """A flag that knows its section; one that can be repeated takes one value per line from its variable."""

    def __init__(self, declarations: Sequence[str], group: str, **arguments: Any) -> None:
        super().__init__(declarations, **arguments)
        self.group = group

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """Split at line breaks only, because values contain commas, colons and blanks."""
        text = self.resolve_envvar_value(ctx)
        if not self.multiple or text is None:
            return super().value_from_envvar(ctx)
        return tuple(line.strip() for line in text.splitlines() if line.strip())


class SectionedCommand(click.Command):
    """Prints the options by section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the options without a section first."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], **{group: [] for group in GROUPS}}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections[group_of(parameter)].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        formatter.write_paragraph()
        formatter.write_text(_VARIABLES)


def group_of(parameter: click.Parameter) -> str:
    """Return the section that an option stands in."""
    return str(getattr(parameter, "group", "Options"))


def settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add a flag for every option of ServerSettings."""
    for option in reversed(options()):
        name, is_repeatable = option.flag, isinstance(option.default, tuple)
        command = click.option(
            f"{name}/--no-{name[2:]}" if isinstance(option.default, bool) else name,
            option.name,
            cls=SettingOption,
            group=option.group,
            default=option.default,
            show_default=option.default not in ("", ()),
            envvar=option.variable,
            multiple=is_repeatable,
            type=str if is_repeatable else type(option.default),
            help=option.help + (" Can be repeated; in the variable, one value per line." if is_repeatable else ""),
        )(command)
    return command
