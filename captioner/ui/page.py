"""The page: where everything stands, and which event leads where. Decides nothing; `desk` and its parts answer.

The workbench (thumbnails, preview, editor) is one gr.HTML whose script calls the functions of `server_functions`;
the settings beside it are Gradio's own controls, made from the settings classes. Each time one of them changes, the
script gets all values by name, stores and tries them through the same functions.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Mapping
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
from fastapi import FastAPI

from captioner.errors import CaptionerError
from captioner.hub import ModelChoice
from captioner.pipeline import CAPTIONER, Plan, presets
from captioner.settings import Settings
from captioner.ui import api, captioner_tab, recipe_tab, tagger_tab, workbench
from captioner.ui.controls import Controls
from captioner.ui.desk import Desk
from captioner.ui.messages import message_of
from captioner.ui.modules import add_modules
from captioner.ui.offer import Offer
from captioner.ui.routes import add_routes

ServerFunction = Callable[[Any], dict[str, Any]]

_SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONOSPACE = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
_MAX_FILE_SIZE = "210mb"
_ADDRESS_JS = "() => [new URLSearchParams(location.search).get('set') || '']"


def build(desk: Desk) -> gr.Blocks:
    """The whole page; loads no model and nothing heavy."""
    plan = Plan.from_flat(desk.offer.default_flat, desk.offer.models)
    captioner_presets = presets(plan.family)
    with gr.Blocks(title="Captioner", fill_width=True, analytics_enabled=False, delete_cache=(3600, 86_400)) as page:
        with gr.Column(elem_id="cw-page"):
            gr.HTML(
                html_template=workbench.read("toolbar.html"), js_on_load=None, apply_default_css=False, elem_id="cw-bar"
            )
            banner = banner_html(desk.offer.choice)
            if banner:
                gr.HTML(banner, js_on_load=None, apply_default_css=False, elem_id="cw-banner")
            with gr.Row(elem_id="cw-main", equal_height=False):
                bench = gr.HTML(
                    html_template=workbench.read("workbench.html"),
                    server_functions=server_functions(desk),
                    apply_default_css=False,
                    elem_id="cw-bench",
                )
                with gr.Column(elem_id="cw-side", min_width=0):
                    controls, preset = _lay_out_settings(desk.offer, plan, captioner_presets)
        bench.js_on_load = workbench.script(controls.described(captioner_presets))
        _wire(page, desk.offer, controls, preset, captioner_presets)
        api.add_endpoints(desk)
    return page


def mount(app: FastAPI, desk: Desk) -> FastAPI:
    """Our routes and the page on one FastAPI app."""
    add_routes(app, desk)
    add_modules(app)
    theme = gr.themes.Base(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="sm",
        spacing_size="sm",
        text_size="sm",
        font=_SYSTEM_FONTS,
        font_mono=_MONOSPACE,
    )
    page = build(desk)
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=theme,
        head=workbench.head(),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        max_file_size=_MAX_FILE_SIZE,
        show_error=True,
    )
    # Gradio 6.31 checks that files named in a request were uploaded (`processing_utils._check_allowed`) only where
    # launch() was called, and a mounted page is never launched: without this, a request could name any file of this
    # machine. tests/test_ui_api.py tries it; when that passes without this line, the line can go.
    page.has_launched = True
    return mounted


def banner_html(choice: ModelChoice) -> str:
    """The banner over the page where demo models stand in: that they do, why, and what to do; else nothing."""
    if not choice.is_demo and not choice.missing:
        return ""
    if choice.is_demo:
        title = "Demo models."
        advice = (
            "To caption real pictures, choose a model marked “not here” on the right and download it, or start with "
            f"<code>python app.py --models hub</code>, which takes {choice.download_mb:,} MB once."
            if choice.missing
            else "To caption real pictures, start the app without <code>--models demo</code>."
        )
    else:
        title = "First use."
        names = ", ".join(spec.name for spec in choice.missing)
        advice = (
            f"Models are downloaded when they are first used: {html.escape(names)}, {choice.download_mb:,} MB in all."
        )
    reason = html.escape(choice.reason)
    return (
        '<div class="cw-banner" role="note"><div class="cw-banner-box">'
        f"<b>{title}</b><span>{reason} {advice}</span></div></div>"
    )


def _lay_out_settings(offer: Offer, plan: Plan, captioner_presets: Mapping[str, Settings]) -> tuple[Controls, Any]:
    controls = Controls()
    groups = {group.key: group for group in offer.groups}
    gr.HTML(
        '<div id="cw-settings-message" role="alert" hidden></div>',
        js_on_load=None,
        apply_default_css=False,
        padding=False,
    )
    of_tagger = {choice.family: choice.settings for choice in (*plan.taggers, *plan.switched_off)}
    with gr.Tabs(elem_id="cw-tabs"):
        preset = captioner_tab.lay_out(
            controls,
            groups[CAPTIONER],
            offer.model_choices(CAPTIONER),
            model=offer.model_name(CAPTIONER),
            defaults=plan.sampling,
            presets=captioner_presets,
        )
        for key, group in groups.items():
            if group.family in of_tagger:
                tagger_tab.lay_out(
                    controls,
                    group,
                    offer.model_choices(key),
                    model=offer.model_name(key),
                    defaults=of_tagger[group.family],
                    other_names=offer.takes_other_names(key),
                )
        recipe_tab.lay_out(controls, groups["recipe"], defaults=plan.recipe)
    return controls, preset


def _wire(
    page: gr.Blocks, offer: Offer, controls: Controls, preset: Any, captioner_presets: Mapping[str, Settings]
) -> None:
    components = list(controls.components.values())
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    def load_settings(set_id: str) -> list[Any]:
        try:
            plan = offer.stored_plan(set_id) if set_id else None
        except CaptionerError:
            plan = None  # the workbench says that the set is not here
        return controls.updates(plan.to_flat() if plan else offer.default_flat)

    address = gr.Textbox(visible="hidden", elem_id="cw-address")
    page.load(
        load_settings,
        [address],
        components,
        js=_ADDRESS_JS,
        queue=False,
        **private,
    ).then(None, components, [preset], js=controls.collect_js(), **private)
    # The script clicks this when an undo changed the settings.
    again = gr.Button("Show the stored settings", visible="hidden", elem_id="cw-reload-settings")
    again.click(load_settings, [address], components, js=_ADDRESS_JS, queue=False, **private)
    gr.on(
        [component.change for component in components],
        None,
        components,
        [preset],
        js=controls.collect_js(),
        trigger_mode="always_last",
        **private,
    )
    preset.input(None, [preset, *components], components, js=controls.preset_js(captioner_presets), **private)


def server_functions(desk: Desk) -> list[ServerFunction]:
    """What the workbench's script may call: each takes one mapping and returns one, an error as {"error": ...}."""

    def new_set(request: Any) -> dict[str, Any]:
        return desk.new_set(request.get("settings"))

    def open_set(request: Any) -> dict[str, Any]:
        return desk.open_set(request["set"])

    def changes(request: Any) -> dict[str, Any]:
        return desk.changes(request["set"], request.get("since"))

    def save_caption(request: Any) -> dict[str, Any]:
        return desk.save_caption(
            request["set"], request["id"], request["text"], request["base"], is_step=bool(request.get("is_step"))
        )

    def count_tokens(request: Any) -> dict[str, Any]:
        return desk.count_tokens(request["text"])

    def preview(request: Any) -> dict[str, Any]:
        return desk.live.preview(request["set"], request["id"], request["settings"])

    def details(request: Any) -> dict[str, Any]:
        return desk.live.details(request["set"], request["id"])

    def draw_sentences(request: Any) -> dict[str, Any]:
        return desk.live.draw_sentences(request["set"], request["id"], request["settings"])

    def ignore_tag(request: Any) -> dict[str, Any]:
        return desk.ignore_tag(
            request["set"], request["tag"], request["settings"], is_ignored=bool(request["is_ignored"])
        )

    def start_job(request: Any) -> dict[str, Any]:
        return desk.jobs.start(request["set"], request.get("ids"), request.get("settings"))

    def prepare_models(request: Any) -> dict[str, Any]:
        return desk.jobs.start_preparation(
            request["set"], request["settings"], published=request.get("published") is True
        )

    def stop_job(request: Any) -> dict[str, Any]:
        return desk.jobs.stop(request["set"])

    def preview_bulk(request: Any) -> dict[str, Any]:
        return desk.preview_bulk(request["set"], request.get("ids"), request["operation"], request["values"])

    def apply_bulk(request: Any) -> dict[str, Any]:
        return desk.apply_bulk(request["set"], request["label"], request["changes"])

    def undo(request: Any) -> dict[str, Any]:
        return desk.travel(request["set"], is_undo=True)

    def redo(request: Any) -> dict[str, Any]:
        return desk.travel(request["set"], is_undo=False)

    def remove_pictures(request: Any) -> dict[str, Any]:
        return desk.remove_pictures(request["set"], request["ids"])

    def rename_set(request: Any) -> dict[str, Any]:
        return desk.rename_set(request["set"], request["name"])

    def known_sets(request: Any) -> dict[str, Any]:
        return desk.known_sets(request["sets"])

    def token_counts(request: Any) -> dict[str, Any]:
        return desk.token_counts(request["set"])

    def kept_files(request: Any) -> dict[str, Any]:
        return desk.kept_files.listed(request["field"], request["names"])

    functions = (
        *(new_set, open_set, changes, save_caption, count_tokens, preview, start_job, stop_job, preview_bulk),
        *(details, draw_sentences, ignore_tag),
        *(apply_bulk, undo, redo, remove_pictures, rename_set, known_sets, token_counts, prepare_models, kept_files),
    )
    return [_answering(function) for function in functions]


def _answering(function: ServerFunction) -> ServerFunction:
    """The same function, with errors that a person can mend as an answer instead of an exception."""

    def answer(request: Any) -> dict[str, Any]:
        try:
            return function(request)
        except CaptionerError as error:
            return {"error": message_of(error)}

    answer.__name__ = function.__name__
    return answer
