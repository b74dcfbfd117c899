"""Writes model files of other tools, from the byte layouts that these tools write, and scores rows as they do.

Independent of the readers: what it knows is in trainer/import/*.h and the tools' own sources. Run as a program, it
writes the seeds of the fuzz targets, which the tests of the readers read, too: python3 tests/tools/model_files.py
"""

import gzip
import io
import json
import math
import pathlib
import random
import struct
import tarfile
import zipfile

F32, F64, F16, U8, I32, I8, I64 = range(7)  # data types of MXNet
FORMATS = {F32: "f", F64: "d", F16: "e", U8: "B", I32: "i", I8: "b", I64: "q"}


def f32(value):
    """The 32-bit float next to it."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


class Model:
    """w0, w[n] and v[n][k], all 32-bit floats."""

    def __init__(self, n, k, seed=1):
        rng = random.Random(seed)
        self.n, self.k = n, k
        self.w0 = f32(rng.gauss(0, 1))
        self.w = [f32(rng.gauss(0, 0.5)) for _ in range(n)]
        self.v = [[f32(rng.gauss(0, 0.5)) for _ in range(k)] for _ in range(n)]

    def score(self, row, norm=None):
        """Of [(index, x)], by the plain sum over pairs. With `norm` as xLearn does: rows are scaled by it."""
        known = [(i, x) for i, x in row if i < self.n]
        n = 1 / sum(x * x for _, x in row) if norm else 1.0
        linear = sum(self.w[i] * x for i, x in known)
        pairs = sum(
            x * y * sum(a * b for a, b in zip(self.v[i], self.v[j]))
            for at, (i, x) in enumerate(known)
            for j, y in known[at + 1 :]
        )
        return self.w0 + math.sqrt(n) * linear + n * n * pairs


def sigmoid(score):
    return 1 / (1 + math.exp(-score))


def probit(score):
    return 0.5 * (1 + math.erf(score / math.sqrt(2)))


def text(values):
    return " ".join(f"{value:.9g}" for value in values)


# libFM, fm_model.h


def libfm_text(model, bias=True, linear=True):
    lines = []
    if bias:
        lines += ["#global bias W0", text([model.w0])]
    if linear:
        lines += ["#unary interactions Wj", *(text([w]) for w in model.w)]
    lines += ["#pairwise interactions Vj,f", *(text(v) for v in model.v)]
    return "".join(line + "\n" for line in lines).encode()


# xLearn, model_parameters.cc


def xlearn_text(model, kind="fm"):
    lines = [f"bias: {text([model.w0])}", *(f"i_{j}: {text([w])}" for j, w in enumerate(model.w))]
    if kind == "fm":
        lines += [f"v_{j}: {text(v)}" for j, v in enumerate(model.v)]
    if kind == "ffm":
        lines += [f"v_{j}_{field}: {text(v)}" for j, v in enumerate(model.v) for field in range(2)]
    return "".join(line + "\n" for line in lines).encode()


def xlearn_binary(model, kind="fm", loss="cross-entropy", aux=2):
    padded = (model.k + 3) // 4 * 4
    fields = 2 if kind == "ffm" else 0
    optimiser = [0.125] * (aux - 1)
    out = b"".join(struct.pack("<Q", len(name)) + name.encode() for name in (kind, loss))
    out += struct.pack("<4I", model.n, fields, model.k, aux)
    out += struct.pack("<I", model.n * aux)
    v = []
    for row in model.v:
        row = row + [0.0] * (padded - model.k)
        v += (row + [0.25] * ((aux - 1) * padded)) * max(1, fields)
    if kind != "linear":
        out += struct.pack("<I", len(v))
    w = [value for w in model.w for value in (w, *optimiser)]
    out += struct.pack(f"<{len(w)}f", *w) + struct.pack(f"<{aux}f", model.w0, *optimiser)
    return out + (struct.pack(f"<{len(v)}f", *v) if kind != "linear" else b"")


# alphaFM, ftrl_model.h and model_bin_file.h


def alphafm_text(model, names):
    lines = [f"bias {text([model.w0, 3.5, -0.25])}"]
    for name, w, v in zip(names, model.w, model.v):
        optimiser = [1.5, -0.5] + [2.5] * (2 * model.k)
        lines.append(f"{name} {text([w, *v, *optimiser])}")
    return "".join(line + "\n" for line in lines).encode()


def alphafm_binary(model, names, number_bytes=8, success=1):
    letter = {4: "f", 8: "d"}[number_bytes]
    unit_bytes = 3 * (model.k + 1) * number_bytes
    out = struct.pack("<7Q", 1, number_bytes, model.k, model.n + 1, model.n + 1, success, unit_bytes)
    # The factors of the bias were never set: anything may stand there.
    units = [("bias", [model.w0, 3.5, -0.25] + [math.nan] * (3 * model.k))]
    for name, w, v in zip(names, model.w, model.v):
        units.append((name, [w, 1.5, -0.5, *v] + [2.5] * (2 * model.k)))
    for name, numbers in units:
        out += struct.pack("<H", len(name.encode())) + name.encode()
        out += struct.pack(f"<{len(numbers)}{letter}", *numbers)
    return out


# MXNet, ndarray.cc: an array is (shape, values) or, row-sparse, (shape, values, row numbers)


def packed(values, dtype):
    return struct.pack(f"<{len(values)}{FORMATS[dtype]}", *values)


def tuple64(shape):
    return struct.pack(f"<i{len(shape)}q", len(shape), *shape)


def ndarray(array, version=2, dtype=F32):
    shape, values, *rows = array
    context = struct.pack("<ii", 1, 0)
    if version == 0:
        head = struct.pack(f"<I{len(shape)}I", len(shape), *shape)
        return head + context + struct.pack("<i", dtype) + packed(values, dtype)
    out = struct.pack("<I", {1: 0xF993FAC8, 2: 0xF993FAC9, 3: 0xF993FACA}[version])
    if version > 1:
        out += struct.pack("<i", 1 if rows else 0)
    if rows:
        out += tuple64((len(rows[0]), *shape[1:]))
    out += tuple64(shape) + context + struct.pack("<i", dtype)
    if rows:
        out += struct.pack("<i", I64) + tuple64((len(rows[0]),))
    out += packed(values, dtype)
    return out + (packed(rows[0], I64) if rows else b"")


def ndarray_list(arrays, version=2, dtype=F32, prefix="arg:"):
    """`arrays` by name."""
    out = struct.pack("<3Q", 0x112, 0, len(arrays))
    out += b"".join(ndarray(array, version, dtype) for array in arrays.values())
    out += struct.pack("<Q", len(arrays))
    for name in arrays:
        out += struct.pack("<Q", len(prefix + name)) + (prefix + name).encode()
    return out


# SageMaker's factorization machines


def sagemaker_arrays(model, older=False, sparse=None):
    """`sparse`: the rows that are stored; the others of the model must be 0."""
    if older:
        columns = [model.v[i][f] for f in range(model.k) for i in range(model.n)]
        return {
            "v": ((model.k, model.n), columns),
            "Linear_Plus_Bias_weight": ((1, model.n), model.w),
            "Linear_Plus_Bias_bias": ((1,), [model.w0]),
        }
    rows = range(model.n) if sparse is None else sparse
    v = [value for row in rows for value in model.v[row]]
    w = [model.w[row] for row in rows]
    stored = () if sparse is None else (list(sparse),)
    return {
        "v": ((model.n, model.k), v, *stored),
        "w1_weight": ((model.n, 1), w, *stored),
        "w0_weight": ((1, 1), [model.w0]),
    }


def sagemaker_meta(model, predictor="binary_classifier"):
    parameters = {"feature_dim": str(model.n), "num_factors": str(model.k), "epochs": "3"}
    if predictor:
        parameters["predictor_type"] = predictor
    return {"training_parameters": parameters, "version": 1, "epoch_number": 2}


def zip_file(members, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


def model_algo(params, meta):
    return zip_file({"symbol.json": b"{}", "params": params, "meta.json": json.dumps(meta).encode()})


def tar_file(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def model_tar_gz(model, predictor="binary_classifier", **arrays):
    algo = model_algo(ndarray_list(sagemaker_arrays(model, **arrays)), sagemaker_meta(model, predictor))
    return gzip.compress(tar_file({"model_algo-1": algo, "state_5f": b"{}"}), mtime=0)


# NumPy, numpy/lib/format.py


def npy(shape, values, descr="<f4", fortran=False):
    if descr.startswith("<U"):
        data = b"".join(value.encode("utf-32-le").ljust(4 * int(descr[2:]), b"\0") for value in values)
    elif descr.startswith("|S"):
        data = b"".join(value.encode().ljust(int(descr[2:]), b"\0") for value in values)
    else:
        data = struct.pack(f"<{len(values)}{ {'f2': 'e', 'f4': 'f', 'f8': 'd', 'i8': 'q'}[descr[1:]] }", *values)
    lengths = "".join(f"{length}, " for length in shape)
    head = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({lengths[: -1 if len(shape) < 2 else -2]}), }}"
    head += " " * ((64 - (10 + len(head) + 1) % 64) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data


def npz(model, descr="<f4", method=zipfile.ZIP_STORED, **more):
    flat = [value for row in model.v for value in row]
    members = {
        "w0.npy": npy((), [model.w0], "<f8"),
        "w.npy": npy((model.n,), model.w, descr),
        "v.npy": npy((model.n, model.k), flat, descr),
    }
    members.update({f"{name}.npy": content for name, content in more.items()})
    return zip_file(members, method)


# What the fuzz targets begin with, and the tests of the readers read


def seeds():
    model, names = Model(3, 2), ["user=7", "ad|x", "b"]
    arrays = sagemaker_arrays(model)
    meta = sagemaker_meta(model)
    by_columns = [model.v[i][f] for f in range(2) for i in range(3)]
    return {
        "libfm_text": {"whole": libfm_text(model), "factors_only": libfm_text(model, bias=False, linear=False)},
        "xlearn_text": {"fm": xlearn_text(model), "linear": xlearn_text(model, "linear"), "ffm": xlearn_text(model, "ffm")},
        "xlearn_binary": {
            "fm_adagrad": xlearn_binary(model),
            "fm_ftrl_squared": xlearn_binary(model, loss="squared", aux=3),
            "linear_sgd": xlearn_binary(model, "linear", aux=1),
            "ffm": xlearn_binary(model, "ffm"),
        },
        "alphafm_text": {"k2": alphafm_text(model, names), "k0": alphafm_text(Model(2, 0), names)},
        "alphafm_binary": {"double": alphafm_binary(model, names), "float": alphafm_binary(model, names, 4)},
        "ndarray_list": {
            **{f"v{version}": ndarray_list(arrays, version) for version in range(4)},
            "older": ndarray_list(sagemaker_arrays(model, older=True)),
            "row_sparse": ndarray_list(sagemaker_arrays(model, sparse=[0, 2])),
            "f64": ndarray_list(arrays, dtype=F64, prefix=""),
        },
        "sagemaker": {
            "model.tar.gz": model_tar_gz(model),
            "model_algo-1": model_algo(ndarray_list(arrays), meta),
        },
        "npz": {
            "stored": npz(model),
            "deflated": npz(model, "<f8", zipfile.ZIP_DEFLATED),
            "named": npz(model, field=npy((3,), ["user", "user", "ad"], "|S4"), value=npy((3,), ["1", "é", "b"], "<U1")),
            "by_columns": npz(model, v=npy((3, 2), by_columns, fortran=True)),
        },
    }


def seed_path(reader, name):
    return pathlib.Path(__file__).parents[1] / "fuzz" / f"{reader}_fuzz_corpus" / name


if __name__ == "__main__":
    for reader, files in seeds().items():
        for name, content in files.items():
            path = seed_path(reader, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
