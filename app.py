"""The first page: AMICI against JAX at a point."""

from amijax.ui import lead, links, ordering, parameters, presets, summary, workbench
from amijax.ui.compile_panel import compiled_model
from amijax.ui.page import begin

context = begin("AMICI against JAX")
session, problem = context.session, context.problem

order = ordering.positions(session, problem)
details = parameters.details(session, problem, order)
places = workbench.lay_out(problem.n_parameters, details.width, order)
with places.tools:
    parameters.buttons(session, problem)
    presets.choose(context)
    run_jax = not parameters.amici_only()
    ordering.choose(session, problem)
with places.table:
    complaints = parameters.edit_table(session, problem, order)
with places.details:
    parameters.details(session, problem, order).draw()
with places.notes:
    parameters.notes(session, problem, complaints)
if not ordering.has_seen(session):  # later, old numbers vanish where the next take long
    with places.lead.container():
        lead.draw(context, None)
    with places.summary.container():
        summary.draw(None, context.precision)
with places.chart:
    model = compiled_model(problem)
result = None
if model:
    # AMICI, JAX and Plotly, which take longer to import than the table to appear.
    from amijax.ui import audit, evaluation, failure, results, trust, tuning

    with places.chart:
        result = evaluation.evaluate(context, model, run_jax)
if result:
    chosen = result.comparisons[context.precision]
    ordering.remember(session, chosen)
    with places.lead.container(gap="xsmall"):
        lead.draw(context, result.comparisons)
    with places.summary.container():
        summary.draw(result.comparisons, context.precision)
    with places.chart:
        if chosen.failure:
            failure.show(context, result, chosen)
        else:
            results.charts_of(result.comparisons, context.precision, order, places.scrolls)
    with places.notes:
        failure.settings_used(result)
    with places.verdict.container():
        trust.show(context, result.settled.objective, chosen.theta)
        if not chosen.failure:
            audit.line(result, chosen)
            tuning.mend(result, audit.finished(result, chosen))
    found = audit.finished(result, chosen)
    if not chosen.failure:
        with places.notes:
            tuning.line(context, result, found)
    with places.values:
        results.prior(problem, chosen)
        results.tables(problem, result.comparisons, context.precision, order, found)
    if not chosen.failure:
        tuning.panel(context, result)
links.draw(context, "")
