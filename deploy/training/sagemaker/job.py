"""What SageMaker lays out for a training job, read and checked: /opt/ml/input and where the results go."""

import dataclasses
import json
import os
import pathlib

from hyperparameters import Refused

CHANNELS = ("train", "validation", "test", "schema")
MOST_CONFIG_BYTES = 1 << 20
MOST_HOSTS = 1000
MODEL_FILE = "model.fmw"

TASKS = {"binary_classifier": "binary", "regressor": "regression"}


@dataclasses.dataclass(frozen=True)
class Hosts:
    current: str
    names: tuple
    interface: str

    @property
    def first(self):
        return self.names[0]


def read_json(path, default=None):
    """The object in the file; `default`, if there is one, when there is no file."""
    try:
        if path.stat().st_size > MOST_CONFIG_BYTES:
            raise Refused(f"{path.name}: larger than {MOST_CONFIG_BYTES} bytes")
        content = json.loads(path.read_text())
    except FileNotFoundError:
        if default is not None:
            return default
        raise Refused(f"{path}: not there") from None
    except ValueError as error:
        raise Refused(f"{path.name}: not JSON: {error}") from None
    if not isinstance(content, dict):
        raise Refused(f"{path.name}: not one JSON object")
    return content


class Job:
    """`root` is /opt/ml, but for tests. Errors are Refused, with a message for the owner of the job."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.data = self.root / "input/data"
        self.model = self.root / "model" / MODEL_FILE
        self.failure = self.root / "output/failure"
        # There if the job keeps checkpoints: SageMaker copies it to S3 and back when a spot instance is taken away.
        self.checkpoints = self.root / "checkpoints"

    def hyperparameters(self):
        return read_json(self.root / "input/config/hyperparameters.json", {})

    def hosts(self):
        resources = read_json(self.root / "input/config/resourceconfig.json", {})
        current = resources.get("current_host", "localhost")
        names = resources.get("hosts", [current])
        fine = isinstance(names, list) and 0 < len(names) <= MOST_HOSTS and all(isinstance(name, str) for name in names)
        if not fine or current not in names:
            raise Refused(f"resourceconfig.json: 'hosts' is not a list of 1 to {MOST_HOSTS} names with 'current_host' in it")
        return Hosts(current, tuple(sorted(names)), str(resources.get("network_interface_name", "")))

    def channels(self):
        """Name -> settings of inputdataconfig.json, of the channels that are there."""
        channels = read_json(self.root / "input/config/inputdataconfig.json", {})
        for name in channels:
            if name not in CHANNELS:
                raise Refused(f"channel '{name}': known are {', '.join(CHANNELS)}")
        for name in CHANNELS:
            if (self.data / name).is_dir():
                channels.setdefault(name, {})
            elif name in channels:
                raise Refused(f"channel '{name}': {self.data / name} is not a folder")
        if "train" not in channels:
            raise Refused(f"channel 'train': missing; its rows belong to {self.data / 'train'}")
        for name, settings in channels.items():
            self.check_channel(name, settings)
        return channels

    def check_channel(self, name, settings):
        if not isinstance(settings, dict):
            raise Refused(f"channel '{name}': its settings are not an object")
        if settings.get("TrainingInputMode", "File") not in ("File", "FastFile"):
            raise Refused(f"channel '{name}': TrainingInputMode {settings['TrainingInputMode']}: use File or FastFile; rows are "
                          "read more than once")
        wrapper, content = settings.get("RecordWrapperType", "None"), str(settings.get("ContentType", ""))
        if wrapper not in ("None", "", None) or "recordio" in content:
            raise Refused(f"channel '{name}': RecordIO is not read; give the rows as libsvm, csv or tsv, plain, gzip or zstd")
        if not any(self.data_files(name)):
            raise Refused(f"channel '{name}': {self.data / name} has no files")

    def data_files(self, name):
        for folder, folders, files in os.walk(self.data / name):
            folders[:] = [each for each in folders if each[0] not in "._"]
            yield from (pathlib.Path(folder) / file for file in files if file[0] not in "._")

    def schema(self, channels, predictor_type):
        """The schema's path: that of its channel, or one for what the built-in algorithm takes: indices and values."""
        if "schema" not in channels:
            return pathlib.Path(__file__).resolve().parent / f"libsvm_{TASKS[predictor_type]}.yaml"
        files = list(self.data_files("schema"))
        if len(files) != 1:
            raise Refused(f"channel 'schema': {len(files)} files, not one")
        return files[0]

    def report_failure(self, reason):
        """SageMaker shows the first 1024 characters as the FailureReason of the job."""
        self.failure.parent.mkdir(parents=True, exist_ok=True)
        self.failure.write_text(reason[:1024])
