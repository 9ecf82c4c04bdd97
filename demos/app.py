"""The studio's page and its server: `analogen demo`, or `python -m analogen.demos.app`."""

from __future__ import annotations

import atexit
import ipaddress
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analogen import UserError
from analogen.cli import debug_option

if TYPE_CHECKING:
    import gradio as gr

    from analogen.demos.studio import Studio

_NEEDS = 'the studio needs Gradio: pip install "analogen[demo]"'


def build(studio: Studio) -> gr.Blocks:
    """The page, with a tab per file. Every tab is built inside its gr.Tab and plugs its jobs into `studio.handlers`."""
    import gradio as gr

    from analogen.demos import theme
    from analogen.demos.studio import Desk
    from analogen.demos.tabs import batch as batch_tab
    from analogen.demos.tabs import compare, create, explore, history

    with gr.Blocks(title="analogen studio", analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        gr.HTML(theme.header(studio), elem_id="top")
        inbox = gr.State(None)
        with gr.Tabs(selected="create", elem_id="tabs") as tabs:
            named = {}
            for name in ("Create", "Explore", "Batch", "Compare", "History"):
                named[name] = gr.Tab(name, id=name.lower(), elem_id=f"tab-{name.lower()}")
            desk = Desk(inbox, tabs, page, named["History"])
            for name, tab in zip(named, (create, explore, batch_tab, compare, history), strict=True):
                with named[name]:
                    tab.build(studio, desk)
    page.queue(default_concurrency_limit=8, max_size=256, api_open=False)
    return page


def launch(
    studio: Studio,
    host: str = "127.0.0.1",
    port: int | None = None,
    auth: list[tuple[str, str]] | None = None,
    share: bool = False,
    mcp: bool = False,
    block: bool = True,
) -> gr.Blocks:
    """Serve the page. With `block` False it comes back at once: `page.local_url`, `page.close()`.

    The caller starts and closes the studio. Raises UserError if the address cannot be had.
    """
    import gradio as gr

    from analogen.demos import components, theme

    forbid_fetching()
    page = build(studio)
    given: dict[str, Any] = {}
    if auth:
        given["auth"] = auth
    try:
        page.launch(
            server_name=host, server_port=port, share=share, mcp_server=mcp, prevent_thread_lock=not block, quiet=True,
            show_error=True, allowed_paths=[str(path) for path in studio.allowed_paths],
            max_file_size=studio.limits.upload_mb * 2**20, footer_links=[], run_history=False, ssr_mode=False,
            enable_monitoring=False, inbrowser=False, theme=theme.theme(), css=components.CSS + theme.CSS,
            head=theme.HEAD + components.HEAD, **given,
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"--host {host} --port {port}: cannot be had ({error}): name another --port") from error
    assert isinstance(page, gr.Blocks)
    return page


def forbid_fetching() -> None:
    """Gradio follows addresses that a client sends in place of a file; the studio takes uploads only."""
    from gradio import processing_utils

    def refuse(*_: Any, **__: Any) -> Any:
        raise UserError("Addresses are not fetched: upload the picture.")

    async def refuse_later(*_: Any, **__: Any) -> Any:
        refuse()

    for name in ("save_url_to_cache", "ssrf_protected_download"):
        if hasattr(processing_utils, name):
            setattr(processing_utils, name, refuse)
    for name in ("async_ssrf_protected_download",):
        setattr(processing_utils, name, refuse_later)


def own_uploads() -> None:
    """Give this process a folder of its own for uploads, unless GRADIO_TEMP_DIR names one; before Gradio is imported.

    Gradio names an upload by its content and, when it ends, deletes what it was given: in the folder that all its
    pages share by default, the end of one studio takes the same picture away from another.
    """
    if not os.environ.get("GRADIO_TEMP_DIR"):
        folder = tempfile.mkdtemp(prefix="analogen-studio-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["GRADIO_TEMP_DIR"] = folder


def is_local(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parse_auth(given: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for one in given:
        user, colon, word = one.partition(":")
        if not (user and colon and word):
            raise UserError("--auth: expected USER:PASSWORD, for example --auth ann:a-long-one")
        pairs.append((user, word))
    return pairs


@click.command("demo", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--model", default="mini", show_default=True, help="A name of `analogen models`, a folder or a hub id.")
@click.option("--gallery", metavar="PATH", help="A gallery of `analogen gallery`, to explore.")
@click.option("--output", metavar="DIR", default="studio", show_default=True, help="Where everything is kept.")
@click.option("--auth", metavar="USER:PASSWORD", multiple=True, help="Ask for a name and a password; may be repeated.")
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets other machines in.")
@click.option("--port", type=click.IntRange(1, 65535), help="[default: the first free one from 7860 on]")
@click.option("--device", default="auto", show_default=True)
@click.option("--share/--no-share", default=False, help="A public address through gradio.live.")
@click.option("--mcp/--no-mcp", default=False, help="Serve the endpoints as tools of an MCP server too.")
@debug_option
def command(
    model: str,
    gallery: str | None,
    output: str,
    auth: tuple[str, ...],
    host: str,
    port: int | None,
    device: str,
    share: bool,
    mcp: bool,
) -> None:
    """Open the studio: a page in the browser to create, explore and compare."""
    from analogen.demos.studio import Studio

    debug = (click.get_current_context().obj or {}).get("debug", False)
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(name)s: %(message)s")
    for noisy in ("httpx", "asyncio", "PIL", "matplotlib"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    own_uploads()
    pairs = _parse_auth(auth)
    try:
        import gradio as gr  # noqa: F401
    except ImportError as error:
        raise UserError(_NEEDS) from error
    if not pairs and (share or not is_local(host)):
        where = "a public address" if share else host
        click.echo(f"warning: {where} lets anyone in who can reach it: add --auth USER:PASSWORD", err=True)
    studio = Studio(output, model, gallery, device)
    studio.start()
    page = None
    try:
        page = launch(studio, host, port, pairs, share, mcp, block=False)
        click.echo(f"the studio is open at {page.local_url}  (pictures in {Path(output)}; Ctrl+C ends it)")
        if page.share_url:
            click.echo(f"and for others at {page.share_url}")
        sys.stdout.flush()
        page.block_thread()
    finally:
        if page is not None:
            page.close(verbose=False)
        studio.close()


def main() -> int:
    """`python -m analogen.demos.app`."""
    from analogen.cli import run_command

    return run_command(command, "analogen demo")


if __name__ == "__main__":
    sys.exit(main())
