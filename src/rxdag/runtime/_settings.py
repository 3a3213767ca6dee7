"""Settings of a PipelineRuntime: defaults, then a file, then the environment, then arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast, get_origin

import msgspec

from rxdag.contract import import_extra, timeout_s
from rxdag.errors import SpecError, did_you_mean, shown
from rxdag.sources import Backoff

RestartPolicy: TypeAlias = Literal["never", "on_failure", "always"]

PREFIX: Final = "RXDAG_"


class RestartSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The restart policy of a run that has ended.

    Attributes:
        policy: "never", "on_failure", or "always", whatever the outcome.
        base: Delay before the first restart in a row.
        factor: Growth of the delay from one restart to the next, 1 or more.
        cap: Longest delay.
        jitter: Share of the delay by which it varies at random, 0 to 1.
        attempts: Failures in a row after which the runtime gives up; None for no limit.
        reset_after: A run that lasts this long starts a new row; "0s" for never.
    """

    policy: RestartPolicy = "never"
    base: str = "1s"
    factor: float = 2.0
    cap: str = "60s"
    jitter: float = 0.1
    attempts: int | None = None
    reset_after: str = "60s"

    def backoff(self) -> Backoff:
        """Return the delays."""
        return Backoff(self.base, self.factor, self.cap, self.jitter, self.attempts, self.reset_after)


class ProviderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Budget of a provider; see `RateCoordinator.register_provider`.

    Attributes:
        capacity: Maximum number of tokens.
        refill_rate: Tokens per second.
        cooldown: How long no tokens are granted after a pacing violation.
        breaker_threshold: Failures in a row that open the circuit.
        breaker_timeout: How long the circuit stays open.
    """

    capacity: float = 60
    refill_rate: float = 60
    cooldown: str = "10m"
    breaker_threshold: int = 5
    breaker_timeout: str = "60s"


class QuotesSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sources of the quotes of `stream_quotes`.

    Attributes:
        sources: Names in the registry, in order of priority.
        options: Further arguments for the factory of each source, besides `symbols`.
        silent_after: Silence after which a source counts as failed; None for never.
        rounds: Failures in a row after which it gives up; None for no limit.
    """

    sources: tuple[str, ...] = ("synthetic",)
    options: dict[str, dict[str, Any]] = {}
    silent_after: str | None = None
    rounds: int | None = 3


class RuntimeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of a PipelineRuntime.

    Attributes:
        max_concurrent_runs: Maximum number of concurrent runs; others wait for their turn. None for no limit.
        drain_timeout: How long `stop` drains before it cancels: seconds, or a duration as text.
        restart: When to restart a run that has ended, unless its dag overrides this.
        providers: Budgets by provider.
        quotes: Sources of the quotes of `stream_quotes`.
    """

    max_concurrent_runs: int | None = None
    drain_timeout: float | str = "10s"
    restart: RestartSettings = RestartSettings()
    providers: dict[str, ProviderSettings] = {}
    quotes: QuotesSettings = QuotesSettings()

    def __post_init__(self) -> None:
        most = self.max_concurrent_runs
        if most is not None and most < 1:
            raise ValueError(f"max_concurrent_runs must be 1 or more, or null, got {most}")
        timeout_s(self.drain_timeout, "drain_timeout")
        self.restart.backoff()

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> RuntimeSettings:
        """Combine the defaults, a file, the environment and arguments; later ones win.

        Args:
            path: A `.toml`, `.json`, `.yaml` or `.yml` file (the last two need the extra `yaml`).
            environ: Variables, by default those of the process: `RXDAG_MAX_CONCURRENT_RUNS=3`, and with two underscores
                for nested fields: `RXDAG_RESTART__POLICY=always`, `RXDAG_PROVIDERS__IBKR__REFILL_RATE=10`.
            arguments: Fields; nested ones as dicts.

        Raises:
            SpecError: If a key is unknown, a value is invalid, or the file cannot be read.

        Example:
            >>> settings = rxdag.RuntimeSettings.load(
            ...     environ={"RXDAG_RESTART__POLICY": "always"}, max_concurrent_runs=4
            ... )
            >>> settings.restart.policy, settings.max_concurrent_runs
            ('always', 4)
        """
        made: dict[str, Any] = {}
        for where, layer in (
            ("" if path is None else str(path), {} if path is None else _read(Path(path))),
            ("the environment", _from_environment(os.environ if environ is None else environ)),
            ("the arguments", arguments),
        ):
            _check_keys(cls, layer, where, "")
            _merge(made, layer)
        try:
            return msgspec.convert(made, cls, strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            raise SpecError(f"settings: {error}") from None


def checked_settings(settings: RuntimeSettings | Mapping[str, Any] | None) -> RuntimeSettings:
    """Return the settings from an argument of the runtime.

    Raises:
        SpecError: If the argument is neither settings nor a dict of them.
    """
    if settings is None:
        return RuntimeSettings.load()
    if isinstance(settings, RuntimeSettings):
        return settings
    if isinstance(settings, Mapping):
        return RuntimeSettings.load(**{str(key): value for key, value in settings.items()})
    raise SpecError(f"PipelineRuntime: settings must be RuntimeSettings, a dict of them or None, got {shown(settings)}")


def restart_of(policy: RestartPolicy | None, backoff: Backoff | None, settings: RestartSettings) -> tuple[str, Backoff]:
    """Return the restart policy and the backoff of one dag.

    Raises:
        SpecError: If the policy or the backoff is no such thing.
    """
    if policy not in (None, "never", "on_failure", "always"):
        raise SpecError(f'restart must be "never", "on_failure" or "always", got {shown(policy)}')
    given: object = backoff
    if given is not None and not isinstance(given, Backoff):
        raise SpecError(f'backoff must be a Backoff, such as sources.Backoff("1s"), got {shown(given)}')
    return policy or settings.policy, backoff or settings.backoff()


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"settings: {path} must be a file in UTF-8 that can be read: {error}") from error
    try:
        made: Any
        if path.suffix == ".toml":
            import tomllib

            made = tomllib.loads(text)
        elif path.suffix == ".json":
            made = msgspec.json.decode(text)
        elif path.suffix in (".yaml", ".yml"):
            yaml = import_extra("ruamel.yaml", "yaml", f"settings from {path.name}")
            made = yaml.YAML(typ="safe", pure=True).load(text)
        else:
            raise SpecError(f"settings: {path} must end in .toml, .json, .yaml or .yml")
    except SpecError:
        raise
    except Exception as error:  # each parser has its own errors
        raise SpecError(f"settings: {path}: {error}") from error
    if not isinstance(made, dict):
        raise SpecError(f"settings: {path} must hold a mapping, got {type(made).__name__}")
    return cast("dict[str, Any]", made)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings in environment variables; unknown ones are ignored, unless they look misspelt."""
    layer: dict[str, Any] = {}
    for name, text in environ.items():
        path = name.removeprefix(PREFIX).lower().split("__")
        if not name.startswith(PREFIX) or not (len(path) > 1 or path[0] in RuntimeSettings.__struct_fields__):
            section = next((s for s in RuntimeSettings.__struct_fields__ if path[0].startswith(f"{s}_")), None)
            if name.startswith(PREFIX) and section is not None:
                raise SpecError(
                    f"settings: {name}: keys of {section} are written with two underscores: "
                    f"{PREFIX}{section.upper()}__{path[0].removeprefix(f'{section}_').upper()}"
                )
            continue
        inner: Any = layer
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
            if not _is_section(inner):
                raise SpecError(
                    f"settings: {name} and {PREFIX}{part.upper()} must not be set both, since one contains the other"
                )
        if _is_section(inner.get(path[-1])):
            part = path[-1].upper()
            raise SpecError(
                f"settings: {name} and {PREFIX}{part}__... must not be set both, since one contains the other"
            )
        inner[path[-1]] = _value(text)
    _make_lists(RuntimeSettings, layer)
    return layer


def _is_section(value: Any) -> bool:
    return isinstance(value, dict)


def _make_lists(kind: Any, layer: dict[str, Any]) -> None:
    """Replace single texts by lists of one where a list is expected."""
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in layer.items():
        inner = types.get(key)
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            _make_lists(inner, cast("dict[str, Any]", value))
        elif isinstance(value, str) and get_origin(inner) in (list, tuple):
            layer[key] = [value]


def _value(text: str) -> Any:
    if text[:1] in ("[", "{") or text in ("null", "true", "false"):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text.split(",") if "," in text else text


def _check_keys(kind: Any, layer: Mapping[str, Any], where: str, path: str) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in layer.items():
        full = f"{path}{key}"
        if key not in fields:
            raise SpecError(f'settings: {where}: "{full}" is not known{did_you_mean(str(key), fields)}')
        inner = fields[key]
        if isinstance(value, Mapping):
            nested = cast("Mapping[str, Any]", value)
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                _check_keys(inner, nested, where, f"{full}.")
            elif key == "providers":
                for name, each in nested.items():
                    if isinstance(each, Mapping):
                        _check_keys(ProviderSettings, cast("Mapping[str, Any]", each), where, f"{full}.{name}.")


def _merge(made: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(made.get(key), dict):
            _merge(made[key], cast("Mapping[str, Any]", value))
        elif isinstance(value, Mapping):
            made[key] = {}
            _merge(made[key], cast("Mapping[str, Any]", value))
        else:
            made[key] = value
