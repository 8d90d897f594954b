"""The Gaussian process over a parameter space: what it expects of points that were not tried."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neuramosaic.search.kernel import FeatureMap, GroupedMatern
from neuramosaic.space.parameters import ParameterSpace

with warnings.catch_warnings():
    # linear_operator still decorates with torch.jit.script, of which torch warns.
    warnings.filterwarnings("ignore", message=r".*torch\.jit\.script", category=DeprecationWarning)
    from botorch.exceptions.errors import ModelFittingError
    from botorch.exceptions.warnings import InputDataWarning, OptimizationWarning
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.constraints import GreaterThan
    from gpytorch.likelihoods import GaussianLikelihood
    from gpytorch.mlls import ExactMarginalLogLikelihood
    from gpytorch.priors import LogNormalPrior
    from linear_operator.utils.warnings import NumericalWarning

Array = npt.NDArray[np.float64]

FIT_STEPS = 50  # L-BFGS steps per fit; the posterior hardly moves after some dozens.
LEAST_VARIANCE = 1e-12  # Of a standardised value; keeps rounding from making it negative.
LEAST_FEASIBILITY = 0.01  # No point is given up altogether: the estimate is a rough one.


class Surrogate:
    """A Gaussian process fitted to one number per point.

    BoTorch finds the hyper-parameters of greatest posterior density, from a fixed start, so that the same data give the
    same process. Predictions are made here from one Cholesky factor: the acquisition is asked for thousands of single
    points, for which BoTorch's batches of one point each repeat the training data every time.

    Args:
        space: The space of the points.
        units: Points in the unit cube, shape `(n, dimension)`, n >= 2.
        values: One finite number each, shape `(n,)`, not all equal.
    """

    def __init__(self, space: ParameterSpace, units: Array, values: Array) -> None:
        self._shift, self._scale = float(values.mean()), float(values.std(ddof=1))
        self._features = FeatureMap(space)
        self._inputs = self._features(units)
        self._targets = torch.from_numpy((values - self._shift) / self._scale)
        self._best = float(self._targets.min())
        likelihood = GaussianLikelihood(
            noise_prior=LogNormalPrior(loc=-4.0, scale=1.0),
            noise_constraint=GreaterThan(1e-5, transform=None, initial_value=0.01),
        )
        self._kernel = GroupedMatern(self._features, space.dimension)
        with _reproducible():
            model = SingleTaskGP(
                self._inputs,
                self._targets[:, None],
                likelihood=likelihood,
                covar_module=self._kernel,
                outcome_transform=None,
            )
            try:
                fit_gpytorch_mll(
                    ExactMarginalLogLikelihood(likelihood, model),
                    optimizer_kwargs={"options": {"maxiter": FIT_STEPS}},
                )
            except ModelFittingError:
                # BoTorch has put the start back, the prior's mode: a usable model until more data come.
                model.eval()
            self._constant = float(model.mean_module.constant.item())
            self._noise = float(likelihood.noise.item())
        self._condition(self._inputs, self._targets)

    def _condition(self, inputs: Tensor, targets: Tensor) -> None:
        """Take `targets` as measured at `inputs`."""
        with _reproducible(), torch.no_grad():
            covariance = self._covariance(inputs, inputs) + self._noise * torch.eye(len(inputs), dtype=inputs.dtype)
            self._factor = torch.linalg.cholesky(covariance)
            residuals = (targets - self._constant)[:, None]
            self._weights = torch.cholesky_solve(residuals, self._factor)[:, 0]
        self._known = inputs

    def _covariance(self, x1: Tensor, x2: Tensor) -> Tensor:
        covariance: Tensor = self._kernel(x1, x2).to_dense()
        return covariance

    def _posterior(self, units: Array) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the standardised value of each point, shape `(n,)`."""
        with _reproducible(), torch.no_grad():
            cross = self._covariance(self._known, self._features(units))
            mean = self._constant + self._weights @ cross
            explained = torch.linalg.solve_triangular(self._factor, cross, upper=False).square().sum(dim=0)
        return mean, (1 - explained).clamp_min(LEAST_VARIANCE).sqrt()

    def mean(self, units: Array) -> Array:
        """Return the expected value of each point, shape `(n,)`."""
        expected: Array = self._posterior(units)[0].numpy() * self._scale + self._shift
        return expected

    def predict(self, units: Array) -> tuple[Array, Array]:
        """Return the expected value of each point and its standard deviation, noise left out, each of shape `(n,)`."""
        mean, deviation = self._posterior(units)
        return mean.numpy() * self._scale + self._shift, deviation.numpy() * self._scale

    def believe(self, units: Array) -> None:
        """Pretend that points still being measured turned out as expected ("kriging believer").

        The variance around them falls, so that the next point goes elsewhere. Replaces earlier beliefs.

        Args:
            units: Shape `(m, dimension)`; m may be 0.
        """
        self._condition(self._inputs, self._targets)
        if len(units):
            believed = self._posterior(units)[0]
            self._condition(torch.cat([self._inputs, self._features(units)]), torch.cat([self._targets, believed]))

    def log_improvement(self, units: Array) -> Array:
        """Return the log of the expected improvement on the least value told, in standard deviations, shape `(n,)`."""
        mean, deviation = self._posterior(units)
        improvement: Array = (deviation.log() + log_h((self._best - mean) / deviation)).numpy()
        return improvement


def log_h(z: Tensor) -> Tensor:
    """Return `log(phi(z) + z Phi(z))`, the log expected improvement of a standard normal, elementwise.

    Stable where the improvement underflows (LogEI: Ament et al. 2023, arXiv 2310.20708, equation 9): far below the
    incumbent points are still in order.
    """
    near = z.clamp_min(-1.0)
    direct = torch.log(torch.exp(-near.square() / 2) / math.sqrt(2 * math.pi) + near * torch.special.ndtr(near))
    far = z.clamp_max(-1.0)
    # phi + z Phi = phi (1 - |z| sqrt(pi/2) erfcx(|z|/sqrt(2))); erfcx is the scaled complementary error function.
    shortfall = -far * math.sqrt(math.pi / 2) * torch.special.erfcx(-far / math.sqrt(2))
    # Beyond |z| = 1e3 the bracket cancels; its series is 1 / z^2.
    bracket = torch.where(far < -1e3, far.square().reciprocal(), 1 - shortfall)
    tail = -far.square() / 2 - math.log(2 * math.pi) / 2 + bracket.log()
    return torch.where(z > -1.0, direct, tail)


class Feasibility:
    """How likely a point is to finish, learned from the trials that failed and those that did not.

    A Gaussian process on 1 for finished and 0 for failed: crude as a probability, but it finds out which parameters
    make trials fail, and asks for no made-up value of the failed ones.

    Args:
        space: The space of the points.
        units: Points in the unit cube, shape `(n, dimension)`.
        finished: Whether each finished, shape `(n,)`; both kinds must occur.
    """

    def __init__(self, space: ParameterSpace, units: Array, finished: npt.NDArray[np.bool_]) -> None:
        self._surrogate = Surrogate(space, units, finished.astype(np.float64))

    def log_probability(self, units: Array) -> Array:
        """Return the log of the estimated probability of finishing, shape `(n,)`."""
        return np.log(np.clip(self._surrogate.mean(units), LEAST_FEASIBILITY, 1.0))


@contextmanager
def _reproducible() -> Iterator[None]:
    """Run on one thread and in a random state of its own, so that nothing depends on the caller's settings.

    Silences what a fit on few points says as a matter of course; a fit that fails raises.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            for category in (InputDataWarning, OptimizationWarning, NumericalWarning):
                warnings.simplefilter("ignore", category)
            torch.manual_seed(0)
            yield
    finally:
        torch.set_num_threads(threads)
