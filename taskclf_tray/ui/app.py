"""The program: a home, a lock, a worker, and a tray or a terminal in front of it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from taskclf_tray.app.serving import Overrides
from taskclf_tray.app.sources import DEFAULT_PERSONA, DEFAULT_SPEED, SourceSwitch, blocking
from taskclf_tray.app.status import StatusFile
from taskclf_tray.app.worker import TrayRuntime
from taskclf_tray.core.config import Config, PanelLabel, load_config
from taskclf_tray.core.errors import ConfigError
from taskclf_tray.core.private_files import close_places, open_places
from taskclf_tray.core.regular_files import Links, check_regular
from taskclf_tray.models.resolve import found_model
from taskclf_tray.notify.factory import choose_notifier
from taskclf_tray.system.console import OutputError, complain
from taskclf_tray.system.lock import SingleInstance
from taskclf_tray.system.log_file import OwnLogHandler
from taskclf_tray.system.paths import HomePaths, home_dir, prepare_home
from taskclf_tray.system.session_end import SessionEnd
from taskclf_tray.system.stop_request import StopRequest
from taskclf_tray.ui.headless import JsonLines, StatusLine, run_once

log = logging.getLogger(__name__)
_LOG_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `run` and `demo`."""

    home: Path | None = None
    models_dir: Path | None = None
    model_dir: Path | None = None
    aw_host: str | None = None
    source: str | None = None
    out_dir: Path | None = None
    is_headless: bool = False
    is_json: bool = False
    is_once: bool = False
    persona: str = DEFAULT_PERSONA
    seed: int = 1
    speed: float = DEFAULT_SPEED
    start: datetime | None = None
    has_queue_list: bool = False
    ask_below: float | None = None


def run(options: Options) -> int:
    """Run until the person quits (or, with `is_once`, until the record is up to date). Returns the exit code.

    Raises TaskclfError when it cannot start.
    """
    paths = prepare_home(home_dir(options.home))
    _close_home(paths)
    log_to_file(paths)
    config, problems, blocked = _config(paths, options)
    is_terminal = options.is_once or (options.is_headless and not options.is_json)
    told = [] if is_terminal else problems  # which are on standard error already
    with SingleInstance(paths.home) as instance:
        switch = _switch(paths, config, options, told, blocked)
        if options.is_once:
            return run_once(switch, is_json=options.is_json)
        with StopRequest() as stop:
            return _run_app(switch, config, options, instance.take_raise_request, stop, StatusFile(paths))


def _close_home(paths: HomePaths) -> None:
    """Remove access for other users that an older version, another program or a loose umask has left."""
    found = open_places(paths.home)
    left = close_places(found)
    if found:
        log.warning("%d files and folders of the home were open to other users; %d still are.", len(found), len(left))


def _config(paths: HomePaths, options: Options) -> tuple[Config, list[str], ConfigError | None]:
    """The settings, what is wrong with them, and the reason when no activity may be read."""
    config, found = load_config(paths.config)
    problems = [str(problem) for problem in found if not problem.hides_exclusions]
    for problem in problems:
        log.warning("%s", problem)
        _say(problem)
    config = config if options.aw_host is None else config.model_copy(update={"aw_host": options.aw_host})
    return config, problems, blocking(found)


def _switch(
    paths: HomePaths, config: Config, options: Options, problems: list[str], blocked: ConfigError | None
) -> SourceSwitch:
    return SourceSwitch(
        paths,
        config,
        problems=problems,
        blocked=blocked,
        source=options.source,
        aw_host=options.aw_host,
        environ=os.environ,
        models_dir=options.models_dir,
        overrides=Overrides(
            model_dir=None if options.model_dir is None else found_model(options.model_dir, paths.models),
            ask_below=options.ask_below,
            has_queue_list=options.has_queue_list,
        ),
        out_dir=options.out_dir,
        persona=options.persona,
        seed=options.seed,
        speed=options.speed,
        start=options.start,
    )


def _run_app(
    switch: SourceSwitch,
    config: Config,
    options: Options,
    take_raise_request: Callable[[], bool],
    stop: StopRequest,
    status_file: StatusFile,
) -> int:
    choice = choose_notifier(lambda tag, key: runtime.pressed(tag, key), enabled=config.notifications_enabled)
    log.info("%s", choice.reason)
    runtime = TrayRuntime(
        switch.open_session,
        choice.notifier,
        should_switch=switch.should_switch,
        take_raise_request=take_raise_request,
        banner=switch.banner,
    )
    runtime.add_listener(status_file)
    session = contextlib.nullcontext() if options.is_headless else SessionEnd(os.environ, stop.request)
    try:
        with session:
            return _show(runtime, options, stop, switch.panel_label)
    finally:
        runtime.stop()
        status_file.close()
        choice.notifier.close()


def _show(runtime: TrayRuntime, options: Options, stop: StopRequest, panel_label: Callable[[], PanelLabel]) -> int:
    """Run in front of the person: as a tray icon, else in the terminal. Returns the exit code."""
    if not options.is_headless:
        # Pillow, pystray and D-Bus: 20 MiB that the terminal never needs
        from taskclf_tray.ui.tray import run_tray, tray_backend

        backend = tray_backend()
        if backend.reason:
            log.warning("%s", backend.reason)
        if backend.icon_class is not None:
            _show_in_terminal(backend.reason, runtime)
            return run_tray(runtime, backend, stop, panel_label)
        _say(backend.reason)
    return _run_headless(runtime, JsonLines() if options.is_json else StatusLine(), stop)


def _say(sentence: str) -> None:
    """Print to the person who started the app in a terminal; standard output belongs to the status line or JSON."""
    complain(sentence)


def _show_in_terminal(reason: str, runtime: TrayRuntime) -> None:
    """Show the label in the terminal as long as no panel shows it; nothing where nobody reads, as after a login."""
    if reason and sys.stdout.isatty():
        _say(reason)
        runtime.add_listener(StatusLine())


def _run_headless(runtime: TrayRuntime, listener: JsonLines | StatusLine, stop: StopRequest) -> int:
    """Run until a signal, a worker that cannot start, or a reader of the output that is gone."""
    runtime.add_listener(listener)
    runtime.start()
    while not stop.wait(0.5) and listener.failure is None and not runtime.wait(0.0):
        pass
    runtime.stop()
    if isinstance(listener, StatusLine):
        listener.finish()
    if runtime.failure is not None:
        raise runtime.failure
    if listener.failure is not None:
        raise OutputError(listener.failure)
    return 0


def log_to_file(paths: HomePaths) -> None:
    """Log to at most 2 MB in the home, readable by its owner alone."""
    try:
        check_regular(paths.log, Links.NONE)
    except OSError as error:
        _say(f"{paths.log} cannot be written: {error.strerror}. Move it away, else there is no log.")
    handler = OwnLogHandler(paths.log, _LOG_BYTES)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings spell out addresses asked
    logging.raiseExceptions = False  # a full disk takes no log either; a traceback for each line would help nobody
