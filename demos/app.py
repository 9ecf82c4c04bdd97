"""The server of the studio's page: `analogen demo`, or `python -m analogen.demos.app`."""

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

# Pages and clients whose fields the server remembers. Each takes about 0.4 MB, and Gradio would keep 10,000 of them.
# Whoever is forgotten finds the fields as they were at first.
MAX_SESSIONS = 300
_NO_GRADIO = 'the studio needs Gradio: pip install "analogen[demo]"'


def build(studio: Studio) -> gr.Blocks:
    """The page with its five tabs."""
    import gradio as gr

    from analogen.demos import theme
    from analogen.demos.tab_interface import PageContext
    from analogen.demos.tabs import batch as batch_tab
    from analogen.demos.tabs import compare, create, explore, history

    with gr.Blocks(title="analogen studio", analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        gr.HTML(theme.header(studio), elem_id="top")
        form_state = gr.State(None)
        with gr.Tabs(selected="create", elem_id="tabs") as tabs:
            tab_by_name = {}
            for name in ("Create", "Explore", "Batch", "Compare", "History"):
                tab_by_name[name] = gr.Tab(name, id=name.lower(), elem_id=f"tab-{name.lower()}")
            context = PageContext(form_state, tabs, page, tab_by_name["History"])
            for name, tab in zip(tab_by_name, (create, explore, batch_tab, compare, history), strict=True):
                with tab_by_name[name]:
                    tab.build(studio, context)
    # Gradio sums the last 10,000 calls up after each call, on a page that nobody sees: 20 to 60 ms of every answer.
    for name, value in (("GRADIO_ANALYTICS_MAX_EVENTS", 100), ("GRADIO_ANALYTICS_CACHE_FREQUENCY", 10**9)):
        os.environ.setdefault(name, str(value))
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
    """Serve the page of a studio, which the caller starts and closes.

    auth: pairs of user and password; block: whether to wait until the server ends. Returns the page, with `local_url`
    and `close()`. Raises UserError if the address is not free.
    """
    import gradio as gr

    from analogen.demos import theme
    from analogen.demos.scene_editor.component import PAGE as SCENE_EDITOR

    forbid_downloads()
    page = build(studio)
    options: dict[str, Any] = {"auth": auth} if auth else {}
    try:
        page.launch(
            server_name=host, server_port=port, share=share, mcp_server=mcp, prevent_thread_lock=not block, quiet=True,
            show_error=True, allowed_paths=[str(path) for path in (*studio.files.allowed_paths, SCENE_EDITOR)],
            max_file_size=studio.limits.upload_mb * 2**20, footer_links=[], run_history=False, ssr_mode=False,
            enable_monitoring=False, inbrowser=False, state_session_capacity=MAX_SESSIONS,
            theme=theme.theme(), css=theme.css(), head=theme.head(), **options,
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"--host {host} --port {port}: cannot be used ({error}): choose another --port") from error
    assert isinstance(page, gr.Blocks)
    return page


def forbid_downloads() -> None:
    """Make Gradio refuse web addresses that a client sends in place of a file; the studio takes uploads only."""
    from gradio import processing_utils

    def refuse(*_: Any, **__: Any) -> Any:
        raise UserError("Addresses are not fetched: upload the picture.")

    async def refuse_async(*_: Any, **__: Any) -> Any:
        refuse()

    for name, replacement in (
        ("save_url_to_cache", refuse),
        ("ssrf_protected_download", refuse),
        ("async_ssrf_protected_download", refuse_async),
    ):
        setattr(processing_utils, name, replacement)


def use_own_upload_folder() -> None:
    """Give this process its own folder for uploads, unless GRADIO_TEMP_DIR names one; call it before importing Gradio.

    Gradio names an upload by its content, and deletes its uploads when it ends. In the folder that all its pages share
    by default, the end of one studio would delete a picture that another one still uses.
    """
    if not os.environ.get("GRADIO_TEMP_DIR"):
        folder = tempfile.mkdtemp(prefix="analogen-studio-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["GRADIO_TEMP_DIR"] = folder


def is_local(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parse_auth(given: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in given:
        user, colon, password = text.partition(":")
        if not (user and colon and password):
            raise UserError("--auth: expected USER:PASSWORD, for example --auth ann:a-long-one")
        pairs.append((user, password))
    return pairs


@click.command("demo", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--model",
    default="mini",
    show_default=True,
    help="Model to use: a name of `analogen models`, a folder or a hub id.",
)
@click.option(
    "--gallery",
    metavar="PATH",
    help="Gallery of `analogen gallery` to search in Explore, in place of the studio's own pictures.",
)
@click.option(
    "--art",
    metavar="DIR",
    help="Folder of your own cut-outs, or a library of `analogen art add`: subjects are looked for there first.",
)
@click.option(
    "--output",
    metavar="DIR",
    default="studio",
    show_default=True,
    help="Folder for pictures, references and the queue.",
)
@click.option(
    "--auth", metavar="USER:PASSWORD", multiple=True, help="Require this name and password. Repeat it for more users."
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. With 0.0.0.0 other machines can open the studio.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port to listen on.  [default: the first free one from 7860 on]"
)
@click.option("--device", default="auto", show_default=True, help="Where to compute: auto, cpu, cuda, cuda:1 or mps.")
@click.option("--share/--no-share", default=False, help="Also serve the studio at a public address of gradio.live.")
@click.option("--mcp/--no-mcp", default=False, help="Also offer the endpoints as tools of an MCP server.")
@debug_option
def command(
    model: str,
    gallery: str | None,
    art: str | None,
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
    for name in ("httpx", "asyncio", "PIL", "matplotlib"):
        logging.getLogger(name).setLevel(logging.WARNING)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    use_own_upload_folder()
    pairs = _parse_auth(auth)
    try:
        import gradio as gr  # noqa: F401
    except ImportError as error:
        raise UserError(_NO_GRADIO) from error
    if not pairs and (share or not is_local(host)):
        where = "a public address" if share else host
        click.echo(f"warning: {where} can be opened by anyone who can reach it: add --auth USER:PASSWORD", err=True)
    studio = Studio(output, model, gallery, device, art=art)
    studio.start()
    page = None
    try:
        page = launch(studio, host, port, pairs, share, mcp, block=False)
        click.echo(f"the studio is open at {page.local_url}  (pictures in {Path(output)}; Ctrl+C stops it)")
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
