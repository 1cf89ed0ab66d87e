"""All points of a batch: those that are refused immediately, the others as they are finished."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing

from amijax.scales import FloatArray
from amijax.simulation.batch import Read, Reader
from amijax.simulation.failures import Failure
from amijax.simulation.simulator import Report, Simulator


def each_point[R: Read](
    simulator: Simulator,
    points: FloatArray,
    refusal: Callable[[FloatArray, bool], Failure | None],
    read: Reader[R],
    report: Report,
    *,
    gradient: bool,
    num_threads: int,
    on_chunk: Callable[[int], None] | None = None,
) -> Generator[tuple[int, list[R] | Failure, float]]:
    """Simulate all conditions at each point.

    Args:
        simulator: of the problem.
        points: shape (n, n_parameters), on the PEtab scale.
        refusal: why a point is not simulated, None if it is; given the point and `gradient`.
        read: takes what is wanted from each simulation.
        report: lets the solver return it.
        gradient: with sensitivities.
        num_threads: cores to use.
        on_chunk: called several times a second with the number of points finished so far; what
            it raises ends the batch.

    Yields:
        Each point's position, its results by condition (after one that failed there may be
        fewer) or the refusal, and its share of the time; in the order in which they are ready.
    """
    rest = []
    for i, theta in enumerate(points):
        if (failure := refusal(theta, gradient)) is None:
            rest.append(i)
        else:
            yield i, failure, 0.0
    done = len(points) - len(rest)
    batch = simulator.batch(
        points[rest], read, gradient=gradient, num_threads=num_threads, report=report
    )
    with closing(batch):  # an exception's traceback would keep it, and its threads, going
        for finished in batch:
            for k, results, seconds in finished:
                yield rest[k], results, seconds
            done += len(finished)
            if on_chunk is not None:
                on_chunk(done)
