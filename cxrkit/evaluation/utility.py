"""What a result means at a given prevalence: predictive values and likelihood ratios."""

from __future__ import annotations


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float | None, float | None]:
    """Positive and negative predictive value by Bayes' theorem.

    ``PPV = se * pi / (se * pi + (1 - sp) * (1 - pi))`` and
    ``NPV = sp * (1 - pi) / (sp * (1 - pi) + (1 - se) * pi)`` (Altman and Bland 1994).

    Parameters
    ----------
    sensitivity, specificity, prevalence
        Shares, 0 to 1.

    Returns
    -------
    ppv, npv
        None where no result of that sign can occur.

    Raises
    ------
    ValueError
        A share lies outside 0..1.
    """
    _check(sensitivity, specificity, prevalence)
    true_positive, false_positive = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    true_negative, false_negative = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return (
        _ratio(true_positive, true_positive + false_positive),
        _ratio(true_negative, true_negative + false_negative),
    )


def likelihood_ratios(sensitivity: float, specificity: float) -> tuple[float | None, float | None]:
    """LR+ = se / (1 - sp) and LR- = (1 - se) / sp; None where the denominator is 0.

    Raises
    ------
    ValueError
        A share lies outside 0..1.
    """
    _check(sensitivity, specificity)
    return _ratio(sensitivity, 1 - specificity), _ratio(1 - sensitivity, specificity)


def _check(*shares: float) -> None:
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"shares must lie between 0 and 1: {shares}")


def _ratio(above: float, below: float) -> float | None:
    return above / below if below > 0 else None
