"""Hyperparameters of a SageMaker training job -> options of `fm train`.

Two families of names: those of SageMaker's built-in Factorization Machines, and fm's own (`learning_rate` for
--learning-rate). One table says what becomes of each; docs/training.md shows it to people, and a test compares the two.
"""

import dataclasses
import json
import math


class Refused(Exception):
    """A hyperparameter that cannot be followed. The message is for the owner of the job."""


@dataclasses.dataclass
class Plan:
    """What the hyperparameters amount to."""

    options: dict = dataclasses.field(default_factory=dict)  # of fm train: name -> value
    notes: list = dataclasses.field(default_factory=list)  # lines about names that do not mean what they say elsewhere
    predictor_type: str = "binary_classifier"


@dataclasses.dataclass(frozen=True)
class Number:
    low: float
    high: float
    whole: bool = False

    def parse(self, name, text):
        kind = "a whole number" if self.whole else "a number"
        try:
            value = int(text) if self.whole else float(text)
        except ValueError:
            raise Refused(f"{name}: {text!r} is not {kind}") from None
        if not (math.isfinite(value) and self.low <= value <= self.high):
            raise Refused(f"{name}: {text} is not {kind} from {self.low:g} to {self.high:g}")
        return text


@dataclasses.dataclass(frozen=True)
class Choice:
    values: tuple

    def parse(self, name, text):
        if text not in self.values:
            raise Refused(f"{name}: {text!r} is not one of {', '.join(self.values)}")
        return text


@dataclasses.dataclass(frozen=True)
class Text:
    most: int = 128

    def parse(self, name, text):
        if not 0 < len(text) <= self.most or not text.isprintable():
            raise Refused(f"{name}: not 1 to {self.most} printable characters")
        return text


POSITIVE = Number(1e-30, 1e30)
NOT_NEGATIVE = Number(0, 1e30)
FLAG = Choice(("true", "false", "True", "False", "1", "0"))
INIT_METHOD = Choice(("normal", "uniform", "constant"))

# fm's own names; the option is the name with hyphens.
OWN = {
    "kind": Choice(("fm", "fwfm")),
    "k": Number(1, 256, whole=True),
    "rank": Number(1, 16, whole=True),
    "epochs": Number(1, 1000, whole=True),
    "patience": Number(1, 1000, whole=True),
    "learning_rate": POSITIVE,
    "linear_learning_rate": POSITIVE,
    "field_learning_rate": POSITIVE,
    "l2_linear": NOT_NEGATIVE,
    "l2_factors": NOT_NEGATIVE,
    "init_stddev": POSITIVE,
    "init_field_stddev": POSITIVE,
    "init_accumulator": POSITIVE,
    "step_decay": Number(0.01, 1),
    "negatives": Number(1e-6, 1),
    "stop_on": Choice(("loss", "auc")),
    "seed": Number(0, 2**64 - 1, whole=True),
    "threads": Number(1, 1024, whole=True),
    "average_every": Number(1, 2**40, whole=True),
    "quantization": Choice(("f32", "f16", "int8")),
    "name": Text(),
}

# Of the built-in algorithm, with the same meaning here under another name.
RENAMED = {
    "num_factors": ("k", Number(2, 256, whole=True)),
    "factors_wd": ("l2_factors", NOT_NEGATIVE),
    "linear_wd": ("l2_linear", NOT_NEGATIVE),
    "factors_init_sigma": ("init_stddev", POSITIVE),
}

# Of the built-in algorithm: the steps of factors, and of what is linear. What is good there is too small here.
RATES = {
    "factors_lr": "learning_rate",
    "linear_lr": "linear_learning_rate",
}

# Of the built-in algorithm, without a counterpart; ignoring them does not make another kind of model.
NO_EFFECT = {
    "feature_dim": (Number(1, 2**63, whole=True), "the features are those that the rows have"),
    "mini_batch_size": (Number(1, 2**31, whole=True), "each row is a step of its own"),
    "bias_init_method": (INIT_METHOD, "the bias starts at the constant that fits the labels best"),
    "bias_init_scale": (NOT_NEGATIVE, "the bias starts at the constant that fits the labels best"),
    "bias_init_sigma": (NOT_NEGATIVE, "the bias starts at the constant that fits the labels best"),
    "bias_init_value": (Number(-1e30, 1e30), "the bias starts at the constant that fits the labels best"),
    "bias_lr": (POSITIVE, "the bias is learned at the rate of the linear weights"),
    "bias_wd": (NOT_NEGATIVE, "the bias has no penalty"),
    "linear_init_method": (INIT_METHOD, "linear weights start at 0"),
    "linear_init_scale": (NOT_NEGATIVE, "linear weights start at 0"),
    "linear_init_sigma": (NOT_NEGATIVE, "linear weights start at 0"),
    "linear_init_value": (Number(-1e30, 1e30), "linear weights start at 0"),
    "factors_init_value": (Number(-1e30, 1e30), "factors start as a normal distribution"),
    "clip_gradient": (POSITIVE, "no step of AdaGrad is longer than the learning rate"),
    "eps": (POSITIVE, "init_accumulator is what keeps AdaGrad from dividing by 0"),
    "rescale_grad": (POSITIVE, "AdaGrad divides by the size of the gradients"),
}

# The tuner of SageMaker adds its own to those of the job.
OF_THE_TUNER = ("_tuning_objective_metric",)
SPECIAL = ("predictor_type", "use_bias", "use_linear", "factors_init_method", "factors_init_scale", *RATES, *OF_THE_TUNER)
MOST = 200


def unquoted(text):
    """SageMaker sends strings; some of its SDKs put JSON into them."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            pass
    return text


def set_option(plan, option, name, value):
    if option in plan.options:
        raise Refused(f"{name}: --{option.replace('_', '-')} is given twice, by another name, too")
    plan.options[option] = value


def apply_rates(plan, given):
    for name, option in RATES.items():
        if name not in given:
            continue
        rate = POSITIVE.parse(name, given[name])
        set_option(plan, option, name, rate)
        plan.notes.append(f"{name}={rate} becomes --{option.replace('_', '-')} {rate}, the step of AdaGrad; that of the "
                          "built-in algorithm was another method's, and what is good there (0.0001) is too small here: "
                          "try 0.01 to 0.2")


def apply_factors_init(plan, given):
    method = INIT_METHOD.parse("factors_init_method", given.get("factors_init_method", "normal"))
    if method == "constant":
        raise Refused("factors_init_method: factors that start alike stay alike, so constant is not offered; "
                      "use normal with factors_init_sigma")
    scale = given.get("factors_init_scale")
    if scale is not None:
        NOT_NEGATIVE.parse("factors_init_scale", scale)
    if method == "uniform":
        if scale is None or float(scale) <= 0:
            raise Refused("factors_init_method: uniform needs factors_init_scale, above 0")
        stddev = f"{float(scale) / math.sqrt(3):.6g}"
        set_option(plan, "init_stddev", "factors_init_scale", stddev)
        plan.notes.append(f"factors_init_scale={scale} becomes --init-stddev {stddev}: normal, with the deviation of the "
                          "uniform distribution that was asked for")
    elif scale is not None:
        plan.notes.append(f"factors_init_scale={scale} has no effect: only with factors_init_method=uniform")


def apply_parts(plan, given):
    """Which terms the model has; leaving one out would make another model."""
    for name, term in (("use_bias", "a bias"), ("use_linear", "linear weights")):
        if FLAG.parse(name, given.get(name, "true")).lower() in ("false", "0"):
            raise Refused(f"{name}: a model of fm always has {term}")
    predictor = Choice(("binary_classifier", "regressor"))
    plan.predictor_type = predictor.parse("predictor_type", given.get("predictor_type", plan.predictor_type))


def plan_of(hyperparameters):
    """The plan of a job; Refused names the first hyperparameter that stands in its way."""
    if not isinstance(hyperparameters, dict) or len(hyperparameters) > MOST:
        raise Refused(f"hyperparameters.json: not one object of at most {MOST} names")
    given = {name: unquoted(str(value)) for name, value in hyperparameters.items()}
    known = {*OWN, *RENAMED, *NO_EFFECT, *SPECIAL}
    for name in given:
        if name not in known:
            raise Refused(f"{name}: no such hyperparameter; known are {', '.join(sorted(known - set(OF_THE_TUNER)))}")
    plan = Plan()
    for name, value in given.items():
        if name in OWN:
            set_option(plan, name, name, OWN[name].parse(name, value))
        elif name in RENAMED:
            option, kind = RENAMED[name]
            set_option(plan, option, name, kind.parse(name, value))
        elif name in NO_EFFECT:
            kind, why = NO_EFFECT[name]
            kind.parse(name, value)
            plan.notes.append(f"{name}={value} has no effect: {why}")
    apply_rates(plan, given)
    apply_factors_init(plan, given)
    apply_parts(plan, given)
    return plan
