"""Where the digits go: error budget, noise floor, reference, bits, tolerances, curvature."""

from amijax.precision.bits import BitSweep as BitSweep
from amijax.precision.bits import bit_sweep as bit_sweep
from amijax.precision.budget import STAGES as STAGES
from amijax.precision.budget import ErrorBudget as ErrorBudget
from amijax.precision.budget import error_budget as error_budget
from amijax.precision.curvature import PredictedError as PredictedError
from amijax.precision.curvature import predict_error as predict_error
from amijax.precision.noise import NoiseFloor as NoiseFloor
from amijax.precision.noise import noise_floor as noise_floor
from amijax.precision.pieces import PIECE_NAMES as PIECE_NAMES
from amijax.precision.pieces import PIECES as PIECES
from amijax.precision.pieces import PieceName as PieceName
from amijax.precision.pieces import forecast as forecast
from amijax.precision.pieces import with_needs as with_needs
from amijax.precision.reference import Reference as Reference
from amijax.precision.reference import find_reference as find_reference
from amijax.precision.study import Study as Study
from amijax.precision.study import stored_study as stored_study
from amijax.precision.study import studies as studies
from amijax.precision.study import study_precision as study_precision
from amijax.precision.tolerances import ToleranceSweep as ToleranceSweep
from amijax.precision.tolerances import tolerance_sweep as tolerance_sweep
from amijax.precision.verdicts import QuantityPrecision as QuantityPrecision
from amijax.precision.verdicts import verdicts as verdicts
