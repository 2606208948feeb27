"""The page: where everything stands, and which event leads where. Decides nothing; `service` and its parts answer.

The workbench (thumbnails, preview, editor) is one gr.HTML whose script calls the functions of `script_functions`;
the settings beside it are Gradio's own controls, made from the settings classes. Each time one of them changes, the
script gets all values by name, stores and tries them through the same functions.
"""

from __future__ import annotations

import html
import json
import os
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
from fastapi import FastAPI

from captioner.captions.groups import CAPTIONER
from captioner.captions.plan import Plan
from captioner.errors import CaptionerError
from captioner.models.plug_ins import refused_plug_ins
from captioner.models.sources import ModelChoice
from captioner.records import KIND, MAIN
from captioner.service.choices import Choices
from captioner.service.service import Service
from captioner.ui import api, sentence_tab, tags_tab, text_tab, workbench
from captioner.ui.bulk_form import with_operations
from captioner.ui.callables import Callables
from captioner.ui.controls import Controls, Offered
from captioner.ui.export_form import with_export_form
from captioner.ui.functions import sent_at_once
from captioner.ui.lanes import in_lanes
from captioner.ui.modules import add_modules
from captioner.ui.routes import add_routes
from captioner.ui.samples import add_samples
from captioner.ui.script_functions import script_functions

_SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONOSPACE = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
_MAX_FILE_SIZE = "210mb"
# Gradio keeps a copy of the page's description, 0.17 MB, for each session name that anybody sends, and 10,000 of them
# unless told otherwise. The page needs none: a forgotten session gets a new copy.
_SESSIONS_MAX = 64
_ADDRESS_JS = "() => [new URLSearchParams(location.search).get('set') || '']"


def build(service: Service) -> gr.Blocks:
    """The whole page; loads no model and nothing heavy."""
    plan = Plan.from_flat(service.choices.default_flat, service.choices.models)
    with gr.Blocks(title="Captioner", fill_width=True, analytics_enabled=False, delete_cache=(3600, 86_400)) as page:
        with gr.Column(elem_id="cw-page"):
            about = banner_html(service.choices.choice) + plug_ins_html(
                tells_reasons=service.models.managed_by == "all"
            )
            toolbar = workbench.read("toolbar.html").replace("<!-- about the models -->", about)
            real = real_models_html(service.choices.choice)
            template = workbench.read("workbench.html").replace("<!-- the real models -->", real)
            gr.HTML(html_template=toolbar, js_on_load=None, apply_default_css=False, elem_id="cw-top")
            with gr.Row(elem_id="cw-main", equal_height=False):
                bench = gr.HTML(
                    html_template=with_export_form(with_operations(template)),
                    server_functions=in_lanes([sent_at_once(one) for one in script_functions(service)]),
                    apply_default_css=False,
                    elem_id="cw-bench",
                )
                with gr.Column(elem_id="cw-side", min_width=0):
                    controls = _lay_out_settings(service.choices, plan)
        bench.js_on_load = workbench.script(controls.described())
        _wire(page, service.choices, controls)
        api.add_endpoints(service)
    return page


def mount(app: FastAPI, service: Service, *, root_path: str = "") -> FastAPI:
    """Our routes and the page on one FastAPI app, whose `state.callables` says what calls may name.

    Args: root_path: what addresses begin with outside, where a proxy takes it off; "/captioner".
    """
    add_routes(app, service)
    add_modules(app)
    add_samples(app)
    theme = gr.themes.Base(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="sm",
        spacing_size="sm",
        text_size="sm",
        font=_SYSTEM_FONTS,
        font_mono=_MONOSPACE,
    )
    page = build(service)
    page.state_session_capacity = _SESSIONS_MAX
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page,
        path="/",
        root_path=root_path or None,
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
    mounted.state.callables = Callables.of(page)
    return mounted


def banner_html(choice: ModelChoice) -> str:
    """Where demo models stand in, a pill for the toolbar that says so, why, and what to do; else nothing."""
    if not choice.is_demo and not choice.missing:
        return ""
    if choice.is_demo:
        title = "Demo models"
        advice = (
            "To caption real pictures, take the real models: those that are switched on are downloaded now, others "
            f"when they are; {choice.download_mb:,} MB in all. "
            "<code>python app.py --models hub</code> starts with them."
            if choice.missing
            else "To caption real pictures, start the app without <code>--models demo</code>."
        )
    else:
        title = "First use"
        names = ", ".join(spec.name for spec in choice.missing)
        advice = (
            f"Models are downloaded when they are first used: {html.escape(names)}, {choice.download_mb:,} MB in all."
        )
    take = _take_real_html(choice, "cw-primary") if choice.is_demo and choice.missing else ""
    return _pill_html(title, f"<p>{html.escape(choice.reason)}</p><p>{advice}</p>{take}")


def real_models_html(choice: ModelChoice) -> str:
    """The way to the real models on the empty page, where demo models stand in for some that can be fetched."""
    if not choice.is_demo or not choice.missing:
        return ""
    size = f"The demo models know drawn scenes only. The real ones are {choice.download_mb:,} MB in all."
    return f'<p class="cw-real" id="cw-real">{size} {_take_real_html(choice, "cw-small")}</p>'


def _take_real_html(choice: ModelChoice, look: str) -> str:
    """A button that puts the real models in the place of the demo ones."""
    models = html.escape(json.dumps(_real_models(choice)))
    about = "Those that are switched on are downloaded now, others when they are"
    return (
        f'<button type="button" class="cw-button {look}" data-take-real="{models}" title="{about}">'
        "Take the real models</button>"
    )


def _real_models(choice: ModelChoice) -> dict[str, str]:
    """The names of the missing models by the key of their control."""
    return {CAPTIONER if spec.kind == "captioner" else spec.family: spec.name for spec in choice.missing}


def plug_ins_html(*, tells_reasons: bool = True) -> str:
    """A pill that names the packages whose models could not be taken in; nothing where there are none.

    Args: tells_reasons: they may name folders of this machine, which not everybody is told.
    """
    told = [
        f"<p>The models of {html.escape(one.name)}: {html.escape(one.reason)}</p>"
        if tells_reasons
        else f"<p>The models of {html.escape(one.name)}; who looks after models sees why under <b>Models</b>.</p>"
        for one in refused_plug_ins()
    ]
    return _pill_html("Left out", "".join(told)) if told else ""


def _pill_html(title: str, text: str) -> str:
    return (
        f'<details class="cw-menu cw-pill"><summary class="cw-button">{title}</summary>'
        f'<div class="cw-menu-body" role="note">{text}</div></details>'
    )


def _lay_out_settings(choices: Choices, plan: Plan) -> Controls:
    controls = Controls()
    gr.HTML(
        '<div id="cw-settings-message" role="alert" hidden></div>',
        js_on_load=None,
        apply_default_css=False,
        padding=False,
    )
    planned = (plan.captioner, *plan.taggers, *plan.switched_off)
    defaults = {one.family: one.settings for one in planned}
    controls.families(choices.captioner_families())
    offered = {
        key: Offered(
            choices=choices.model_choices(key),
            chosen=choices.model_name(key),
            other_names=choices.takes_other_names(key),
        )
        for key in choices.model_keys
    }
    of_kind = {kind: [group for group in choices.groups if group.kind == kind] for kind in ("captioner", "tagger")}
    with gr.Tabs(elem_id="cw-tabs"):
        sentence_tab.lay_out(controls, of_kind["captioner"], offered[CAPTIONER], defaults=defaults)
        tags_tab.lay_out(controls, of_kind["tagger"], offered, defaults=defaults)
        text_tab.lay_out(controls, choices.groups[-1], defaults=plan.recipe)
    return controls


def _wire(page: gr.Blocks, choices: Choices, controls: Controls) -> None:
    components = list(controls.components.values())
    boxes = [combination.box for combination in controls.combinations]
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    def load_settings(set_id: str) -> list[Any]:
        try:
            plan = choices.stored_plan(set_id) if set_id else None
        except CaptionerError:
            plan = None  # the workbench says that the set is not here
        return controls.updates({KIND: MAIN, **(plan.to_flat() if plan else choices.default_flat)})

    address = gr.Textbox(visible="hidden", elem_id="cw-address")
    page.load(
        load_settings,
        [address],
        components,
        js=_ADDRESS_JS,
        queue=False,
        **private,
    ).then(None, components, boxes, js=controls.collect_js(), **private)
    # The script clicks this when an undo changed the settings.
    again = gr.Button("Show the stored settings", visible="hidden", elem_id="cw-reload-settings")
    again.click(load_settings, [address], components, js=_ADDRESS_JS, queue=False, **private)
    # This when a model was downloaded, which the boxes called not here.
    models = {key: controls.components[key] for key in choices.model_keys}

    def look_for_models() -> list[Any]:
        return [gr.update(choices=choices.model_choices(key)) for key in models]

    # What another model wants stands where its predecessor's defaults stood; a captioner that was fetched says it then.
    for key in choices.model_keys:
        controls.components[key].input(None, components, components, js=controls.brought_js("modelChosen"), **private)
    arrived = gr.Button("Take the model's defaults", visible="hidden", elem_id="cw-take-defaults")
    arrived.click(None, components, components, js=controls.brought_js("modelArrived"), **private)
    come = gr.Button("Look for models", visible="hidden", elem_id="cw-look-for-models")
    gr.on([come.click, page.load], look_for_models, None, list(models.values()), queue=False, **private)
    # And this when the real models shall stand in the place of the demo ones.
    real = gr.Button("Take the real models", visible="hidden", elem_id="cw-set-real")
    real.click(None, components, components, js=controls.replacing_js(_real_models(choices.choice)), **private)
    gr.on(
        [component.change for component in components],
        None,
        components,
        boxes,
        js=controls.collect_js(),
        trigger_mode="always_last",
        **private,
    )
    for combination in controls.combinations:
        given = [combination.box, *components]
        combination.box.input(None, given, components, js=controls.combination_js(combination), **private)
