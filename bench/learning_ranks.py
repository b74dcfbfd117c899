"""Whether several ranks learn what one does, in as many epochs: part of learning.py."""

import os
import statistics
import sys

DATA = ("ml-1m", "criteo", "frappe")
RANKS = (1, 2, 4)
MOST_WORSE_PERCENT = 0.2
# Ranks may be more than processors here, and the user root, as in a container.
ENVIRONMENT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
               "OMPI_MCA_rmaps_base_oversubscribe": "1"}


def ranks(data_sets, seeds, options, train, loss_of):
    """Yields a dict for each data set and number of ranks.

    train(data, words, prefix, valid) trains and returns the summary; loss_of(data) is the test loss of what was trained.
    """
    os.environ.update(ENVIRONMENT)
    for data in DATA:
        if data not in data_sets:
            continue
        words = options[data]["fm"].partition(" --seed ")[0].split()
        epochs = train(data, [*words, "--epochs", 60], [], True)["best_epoch"]
        means = {}
        for count in RANKS:
            print(f"training {data} by {count} ranks", file=sys.stderr, flush=True)
            prefix = ["mpirun", "-np", count] if count > 1 else []
            losses = []
            for seed in range(1, seeds + 1):
                train(data, [*words, "--epochs", epochs, "--seed", seed], prefix, False)
                losses.append(loss_of(data))
            means[count] = statistics.mean(losses)
            worse = 100.0 * (means[count] / means[1] - 1.0)
            yield {"data": data, "ranks": count, "epochs": epochs, "seeds": seeds, "loss": means[count],
                   "spread": statistics.pstdev(losses), "worse_percent": worse,
                   "met": None if count == 1 else worse <= MOST_WORSE_PERCENT}
