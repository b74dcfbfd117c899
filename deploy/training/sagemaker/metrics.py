"""Metric lines on standard output, which CloudWatch and SageMaker's tuner find by regular expressions.

One line per metric, `metric NAME=VALUE`, with ` epoch=N` behind those of an epoch. The last line of a name is the one that
counts for the tuner: after training, that of the epoch whose model was kept.
"""

import re

NUMBER = r"-?[0-9.]+(?:e[-+]?[0-9]+)?"
EPOCH = re.compile(rf"epoch +(?P<epoch>\d+)  train (?P<train_name>logloss|loss) (?P<train>{NUMBER})"
                   rf"(?:  valid (?P<valid_name>logloss|rmse) (?P<valid>{NUMBER})(?: auc (?P<auc>{NUMBER}))?)?")
OF_EVALUATION = ("logloss", "auc", "normalized_entropy", "calibration", "rmse")

# For MetricDefinitions of a job or a tuner.
NAMES = ("train:logloss", "train:loss", *(f"{channel}:{name}" for channel in ("validation", "test") for name in OF_EVALUATION))
DEFINITIONS = [{"Name": name, "Regex": rf"metric {name}=([-+0-9.e]+)"} for name in NAMES]


def show(name, value, epoch=None):
    print(f"metric {name}={value}" + (f" epoch={epoch}" if epoch is not None else ""), flush=True)


def show_epoch(line):
    """Shows the metrics in a line that fm train prints after an epoch; others have none."""
    found = EPOCH.match(line)
    if not found:
        return
    show(f"train:{found['train_name']}", found["train"], found["epoch"])
    if found["valid"]:
        show(f"validation:{found['valid_name']}", found["valid"], found["epoch"])
    if found["auc"]:
        show("validation:auc", found["auc"], found["epoch"])


def show_evaluation(channel, metrics):
    for name in OF_EVALUATION:
        if metrics.get(name) is not None:
            show(f"{channel}:{name}", f"{metrics[name]:.6g}")
