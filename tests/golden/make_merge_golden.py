"""Writes merge.json: small LoRA adapters and what PEFT, LoraHub and nevergrad make of them.

    python3 -m venv new && new/bin/pip install peft==0.20.0 torch nevergrad==1.0.12 scipy==1.17.1
    git clone https://github.com/sail-sg/lorahub   (commit df73afe)
    new/bin/python tests/golden/make_merge_golden.py merges --lorahub lorahub
    for part in search noise paths; do new/bin/python tests/golden/make_merge_golden.py $part; done
    python3 -m venv old && old/bin/pip install nevergrad==0.11.0 scipy==1.11.4 "numpy<2" "pandas<2.2" \
        bayesian-optimization==1.4.3
    old/bin/python tests/golden/make_merge_golden.py search

Each run writes its part of the file. The last one adds the search of LoraHub's own time, whose
COBYLA is Powell's. The versions that wrote the file stand in it. Matrices are lists of rows:
A [r, d_in], B [d_out, r].
"""

import argparse
import json
import pathlib
import sys
import types
import warnings

import nevergrad
import numpy
import scipy

FILE = pathlib.Path(__file__).parent / "merge.json"
TENSORS = {"attn_q": (6, 5), "ffn_down": (4, 7)}  # d_out, d_in
RANK = 2
ALPHAS = [4.0, 1.0, 3.0]  # scales 2, 0.5 and 1.5
WEIGHTS = [[1.0, 0.0, 0.0], [0.5, 0.3, 0.2], [1.7, -0.4, 0.25], [-0.6, -1.2, 2.5]]


def gguf_name(tensor):
    return f"blk.0.{tensor}.weight"


def numbers(array, digits=9):
    """Nested lists; 9 digits hold each float32."""
    rounded = [float(f"{x:.{digits}g}") for x in numpy.asarray(array, dtype=float).ravel()]
    return numpy.asarray(rounded).reshape(numpy.shape(array)).tolist()


# PEFT -------------------------------------------------------------------------------------------


def make_model(alphas, **config):
    """A PEFT model of two linear layers with one adapter for each alpha: "0", "1", ..."""
    import peft
    import torch

    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, (d_out, d_in) in TENSORS.items():
                setattr(self, name, torch.nn.Linear(d_in, d_out, bias=False))

    def lora(alpha):
        return peft.LoraConfig(r=RANK, lora_alpha=alpha, target_modules=list(TENSORS), **config)

    model = peft.get_peft_model(Two(), lora(alphas[0]), adapter_name="0")
    for i, alpha in enumerate(alphas[1:], start=1):
        model.add_adapter(str(i), lora(alpha))
    random = numpy.random.default_rng(7)
    for i in range(len(alphas)):
        for name in TENSORS:
            layer = getattr(model.base_model.model, name)
            for factor in (layer.lora_A, layer.lora_B):
                weight = factor[str(i)].weight
                weight.data = torch.tensor(random.normal(size=weight.shape), dtype=torch.float32)
    return model


def factors(model, adapter):
    """A, B and the scale of each tensor of one adapter."""
    found = {}
    for name in TENSORS:
        layer = getattr(model.base_model.model, name)
        found[gguf_name(name)] = {
            "a": numbers(layer.lora_A[adapter].weight.detach()),
            "b": numbers(layer.lora_B[adapter].weight.detach()),
            "scale": layer.scaling[adapter],
        }
    return found


def deltas(model, adapter):
    """What PEFT adds to each weight, as PEFT computes it."""
    return {gguf_name(name): numbers(getattr(model.base_model.model, name)
                                     .get_delta_weight(adapter).detach()) for name in TENSORS}


def merge(model, weights, method, **options):
    """One merged adapter; the model is as before afterwards."""
    names = [str(i) for i in range(len(weights))]
    model.add_weighted_adapter(names, weights, "merged", combination_type=method, **options)
    case = {"method": method, "weights": weights, **options}
    if method in ("cat", "svd", "ties_svd"):  # any basis of the same space is as good
        case["deltas"] = deltas(model, "merged")
    else:
        case["factors"] = factors(model, "merged")
    model.delete_adapter("merged")
    return case


def merge_dare(model, weights, density):
    """DARE and the masks that it drew: for each tensor A of each adapter, then B of each."""
    import torch

    masks = []
    draw = torch.bernoulli

    def record(*args, **kwargs):
        masks.append(draw(*args, **kwargs))
        return masks[-1]

    torch.manual_seed(3)
    torch.bernoulli = record
    try:
        case = merge(model, weights, "dare_linear", density=density)
    finally:
        torch.bernoulli = draw
    count = 2 * len(weights)
    case["masks"] = {gguf_name(name): [int(x) for mask in masks[t * count:(t + 1) * count]
                                       for x in mask.reshape(-1)]
                     for t, name in enumerate(TENSORS)}
    return case


def peft_cases():
    model = make_model(ALPHAS)
    same = make_model([2.0, 2.0, 2.0])  # scale 1: PEFT's SVD modes square the scale
    cases = [merge(model, w, "linear") for w in WEIGHTS]
    cases += [merge(model, w, "cat") for w in WEIGHTS[1:3]]
    for density in (0.5, 1.0):
        for sign in ("total", "frequency"):
            cases += [merge(model, w, "ties", density=density, majority_sign_method=sign)
                      for w in WEIGHTS[1:3]]
    cases += [merge_dare(model, w, density) for w in WEIGHTS[1:3] for density in (0.6, 1.0)]
    cases += [merge(model, WEIGHTS[2], "svd", svd_rank=r) for r in (2, 4)]
    cases += [merge(model, WEIGHTS[2], "ties_svd", svd_rank=4, density=0.5)]
    unscaled = [merge(same, WEIGHTS[2], "svd", svd_rank=2),
                merge(same, WEIGHTS[2], "ties_svd", svd_rank=4, density=0.5)]
    rs = make_model(ALPHAS[:1], use_rslora=True)
    return {
        "adapters": [factors(model, str(i)) for i in range(len(ALPHAS))],
        "cases": cases,
        "adapters_of_scale_1": [factors(same, str(i)) for i in range(len(ALPHAS))],
        "cases_of_scale_1": unscaled,
        "rslora": {"adapter": factors(rs, "0"), "case": merge(rs, [1.0], "linear")},
    }


def arrow():
    """PEFT's prototypes and coefficients for one layer of 4 adapters, and the exact directions."""
    import torch
    from peft.tuners.lora.arrow import ArrowLoraLinearLayer
    from peft.tuners.lora.config import ArrowConfig

    random = numpy.random.default_rng(11)
    d_out, d_in, n = 6, 8, 4
    pairs = [(random.normal(size=(RANK, d_in)), random.normal(size=(d_out, RANK)))
             for _ in range(n)]
    # The last one's singular values lie close together.
    left, _, right = numpy.linalg.svd(random.normal(size=(d_out, d_in)), full_matrices=False)
    pairs[-1] = (right[:RANK] * [[1.0], [0.97]], left[:, :RANK])

    def linear(weight):
        return types.SimpleNamespace(weight=torch.tensor(weight, dtype=torch.float32))

    names = [f"task_{i}" for i in range(n)]
    lora_a = {name: linear(a) for name, (a, _) in zip(names, pairs)}
    lora_b = {name: linear(b) for name, (_, b) in zip(names, pairs)}
    inputs = torch.tensor(random.normal(size=(3, d_in)), dtype=torch.float32)

    def layer_of(**options):
        config = ArrowConfig(rng_seed=5, **options)
        config.task_adapter_names, config.gks_adapter_names = names, []
        layer = ArrowLoraLinearLayer(d_in, config)
        layer.build_prototypes(lora_a, lora_b)
        return layer

    def coefficients(layer):
        seen = []
        softmax = torch.softmax
        torch.softmax = lambda *args, **kwargs: seen.append(softmax(*args, **kwargs)) or seen[-1]
        try:
            layer.forward(inputs, lora_a, lora_b, lambda x: x, dict.fromkeys(names, 1.0))
        finally:
            torch.softmax = softmax
        return numbers(seen[0])

    exact = []
    for name in names:
        a, b = lora_a[name].weight.double().numpy(), lora_b[name].weight.double().numpy()
        exact.append(numbers(numpy.linalg.svd(b @ a)[2][0]))
    default = ArrowConfig()
    return {
        "a": [numbers(x.weight) for x in lora_a.values()],
        "b": [numbers(x.weight) for x in lora_b.values()],
        "exact": exact,
        "peft": numbers(layer_of().prototypes),
        "inputs": numbers(inputs),
        "default": {"top_k": default.top_k, "temperature": default.router_temperature},
        "cases": [{"top_k": k, "temperature": t,
                   "coefficients": coefficients(layer_of(top_k=k, router_temperature=t))}
                  for k, t in ((default.top_k, default.router_temperature), (1, 1.0), (2, 0.25),
                               (4, 3.0))],
    }


# LoraHub ----------------------------------------------------------------------------------------


def lorahub(folder, adapters):
    """What LoraHub's own code composes of the factors of the given adapters."""
    import torch

    sys.path.insert(0, str(folder))
    sys.modules.setdefault("datasets", types.SimpleNamespace(Dataset=None))  # not needed here
    from lorahub.algorithm import default_l1_regularization, get_final_weights

    names = [str(i) for i in range(len(adapters))]
    cache = {n: {f"{t}.{k}": torch.tensor(pair[k]) for t, pair in adapter.items() for k in "ab"}
             for n, adapter in zip(names, adapters)}
    cases = []
    for weights in WEIGHTS + [[0.5, 0.0, 0.0]]:
        merged = get_final_weights(weights, names, cache)
        cases.append({
            "weights": weights,
            "factors": {t: {k: numbers(merged[f"{t}.{k}"]) for k in "ab"} for t in adapters[0]},
            "penalty": default_l1_regularization(weights),
        })
    return cases


# The search -------------------------------------------------------------------------------------


def centre(n, seed):
    """Where the test functions have their minimum: whole numbers, so that all compute the same."""
    return numpy.array([((seed * 7919 + i * 104729 + i * i * 13) % 2401 - 1200) / 1000
                        for i in range(n)])


def test_function(name, n, seed):
    c = centre(n, seed)

    def function(weights):
        x = numpy.asarray(weights, dtype=numpy.float32).astype(float) - c
        if name == "sphere":
            return float(numpy.mean(x * x))
        if name == "coupled":
            return float(numpy.mean((x + 0.5 * numpy.roll(x, -1)) ** 2))
        return float(numpy.mean(numpy.abs(x)))  # "absolute"

    return function


def minimise(function, n, budget=40, noise=None):
    """As LoraHub calls it. Returns the objectives and weights of all evaluations.

    noise: a random generator that changes what the optimizer sees by about 1e-14 of itself, which
    shows what rounding decides.
    """
    seen = []

    def objective(weights):
        value = function(weights) + 0.05 * sum(abs(float(numpy.float32(w))) for w in weights) / n
        seen.append((value, numbers(weights, 7)))
        return value * (1 + 1e-14 * noise.standard_normal()) if noise else value

    space = nevergrad.p.Array(init=[0] * n, upper=[1.5] * n, lower=[-1.5] * n)
    optimizer = nevergrad.optimizers.NGOpt(parametrization=space, budget=budget)
    optimizer.minimize(objective)
    return seen, optimizer._info()["sub-optim"]


def best_objectives(name, n, noise=None):
    return [min(v for v, _ in minimise(test_function(name, n, seed), n, noise=noise)[0])
            for seed in range(100)]


def search():
    found = {"versions": {"nevergrad": nevergrad.__version__, "scipy": scipy.__version__},
             "picks": {}, "best": []}
    for n in (1, 2, 8, 9, 12, 16, 20, 40):
        found["picks"][str(n)] = minimise(test_function("sphere", n, 0), n)[1]
    for name in ("sphere", "coupled", "absolute"):
        for n in (8, 16):
            best = best_objectives(name, n)
            found["best"].append({"function": name, "n": n, "objectives": numbers(best, 8)})
    return found


def noise(content):
    """On how many of the 100 functions the search finds the same in spite of noise."""
    random = numpy.random.default_rng(0)
    found = []
    for one in content[f"search_nevergrad_{nevergrad.__version__}"]["best"]:
        noisy = numpy.array(best_objectives(one["function"], one["n"], random))
        ratio = noisy / one["objectives"]
        found.append({"function": one["function"], "n": one["n"],
                      "same": int(numpy.sum(numpy.abs(ratio - 1) < 1e-5)),
                      "mean": numbers(noisy.mean(), 8)})
    return found


def paths():
    """All the weights that searches try; of the first functions on which rounding decides nothing."""
    random = numpy.random.default_rng(0)
    found = []
    for name, n in (("sphere", 8), ("coupled", 8), ("absolute", 8), ("sphere", 16)):
        for seed in range(100):
            function = test_function(name, n, seed)
            path = [w for _, w in minimise(function, n)[0]]
            noisy = [[w for _, w in minimise(function, n, noise=random)[0]] for _ in range(3)]
            if numpy.abs(numpy.array(noisy) - path).max() < 1e-6:
                found.append({"function": name, "n": n, "seed": seed, "weights": path})
                break
    return found


def write(content):
    """One line a value of the second level: short, and a change shows where it is."""
    lines = []
    for key, value in content.items():
        if isinstance(value, list):
            inner = ",\n  ".join(json.dumps(x) for x in value)
            lines.append(f"{json.dumps(key)}: [\n  {inner}]")
        else:
            inner = ",\n  ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            lines.append(f"{json.dumps(key)}: {{\n  {inner}}}")
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["merges", "search", "noise", "paths"])
    parser.add_argument("--lorahub", type=pathlib.Path, help="checkout of sail-sg/lorahub")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    content = json.loads(FILE.read_text()) if FILE.exists() else {}
    if args.part == "search":
        content[f"search_nevergrad_{nevergrad.__version__}"] = search()
        return write(content)
    if args.part == "noise":
        content["noise"] = noise(content)
        return write(content)
    if args.part == "paths":
        content["paths"] = paths()
        return write(content)
    import peft
    import torch

    content["versions"] = {"peft": peft.__version__, "torch": torch.__version__.split("+")[0],
                           "lorahub": "df73afe"}
    content |= peft_cases()
    content["arrow"] = arrow()
    content["lorahub"] = lorahub(args.lorahub, content["adapters"])
    return write(content)


if __name__ == "__main__":
    main()
