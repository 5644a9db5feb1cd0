"""Trains ONE LoRA with PyTorch and PEFT and says how long it took for so many samples of each set.

    python benchmarks/train_speed/peft_side.py MODEL_FOLDER ROWS.json OUT.json --dtype float32 --loss choices

ROWS.json: a list of sets, each a list of {"prompt", "choices", "answer"}. The same LoRA as Crayon's pool
in all: its total rank, its kinds of matrix, its layers. What makes training faster without leaving
PyTorch and PEFT is used: batches of one length, no gradient below the first adapted layer, the head for
the answers' tokens alone.

Losses: `choices` is the pool's own, cross-entropy over the choices' mean log-probs and the answer's likelihood;
`answer` is the usual fine-tuning, the answer's likelihood alone, where the other choices are not read.
"""

import argparse
import json
import os
import pathlib
import random
import time

import peft
import torch
import transformers

MATRICES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("rows", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--loss", default="choices", choices=["choices", "answer"])
    parser.add_argument("--samples-per-set", type=int, default=20, help="drawn at random")
    parser.add_argument("--batch-tokens", type=int, default=1536, help="with padding")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--first-layer", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1, help="of the samples drawn and their order")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def open_model(args):
    model = transformers.AutoModelForCausalLM.from_pretrained(args.model, dtype=getattr(torch, args.dtype))
    layers = range(args.first_layer, model.config.num_hidden_layers)
    config = peft.LoraConfig(r=args.rank, lora_alpha=args.rank, target_modules=MATRICES,
                             layers_to_transform=list(layers), task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, config)
    model.train()
    return model


def tokenized(tokenizer, row, loss):
    """Token ids of each choice behind the prompt, and where the choice begins in each."""
    prompt = tokenizer(row["prompt"]).input_ids
    texts = row["choices"] if loss == "choices" else [row["choices"][row["answer"]]]
    whole = [tokenizer(row["prompt"] + text).input_ids for text in texts]
    begins = [len(os.path.commonprefix([prompt, ids])) for ids in whole]
    return {"ids": whole, "begins": begins, "answer": row["answer"] if loss == "choices" else 0,
            "longest": max(map(len, whole))}


def batches_of(items, most_tokens):
    """Items of like length together, so that little is padding."""
    found, batch, rows, longest = [], [], 0, 0
    for item in sorted(items, key=lambda one: one["longest"]):
        n, length = len(item["ids"]), max(longest, item["longest"])
        if batch and (rows + n) * length > most_tokens:
            found.append(batch)
            batch, rows, length = [], 0, item["longest"]
        batch, rows, longest = batch + [item], rows + n, length
    found.append(batch)
    return found


def losses(model, batch, answer_weight=0.2):
    rows = [ids for item in batch for ids in item["ids"]]
    begins = [begin for item in batch for begin in item["begins"]]
    length = max(map(len, rows))
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
    hidden = model.base_model.model.model(input_ids=ids, attention_mask=mask).last_hidden_state
    places = [(r, t) for r, row in enumerate(rows) for t in range(begins[r], len(row))]
    row_of = torch.tensor([r for r, _ in places])
    at = torch.tensor([t for _, t in places])
    logits = model.base_model.model.lm_head(hidden[row_of, at - 1]).float()
    log_probs = torch.log_softmax(logits, -1).gather(1, ids[row_of, at].unsqueeze(1)).squeeze(1)
    sums = torch.zeros(len(rows)).index_add(0, row_of, log_probs)
    means = sums / torch.bincount(row_of, minlength=len(rows))
    choice, answer, first = 0.0, 0.0, 0
    for item in batch:
        scores = means[first:first + len(item["ids"])]
        first += len(item["ids"])
        choice = choice - torch.log_softmax(scores, 0)[item["answer"]]
        answer = answer - scores[item["answer"]]
    one_choice = all(len(item["ids"]) == 1 for item in batch)
    total = answer if one_choice else choice + answer_weight * answer
    return total / len(batch)


def train(model, batches, n_sets, args):
    """@param batches  (set's index, items)   @return samples and seconds by set, and all losses"""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1.5e-3, weight_decay=0.01)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bfloat16")
    samples, seconds, seen = [0] * n_sets, [0.0] * n_sets, []
    for step, (which, batch) in enumerate([batches[0], *batches]):  # the first step warms the libraries up
        start = time.perf_counter()
        with autocast:
            loss = losses(model, batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if step == 0:
            continue
        samples[which] += len(batch)
        seconds[which] += time.perf_counter() - start
        seen.append(loss.item())
    return samples, seconds, seen


def main():
    args = arguments()
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)
    model = open_model(args)
    sets = json.loads(args.rows.read_text())
    batches = []
    for which, rows in enumerate(sets):
        drawn = random.Random(f"{which} {args.seed}").sample(rows, min(len(rows), args.samples_per_set))
        items = [tokenized(tokenizer, row, args.loss) for row in drawn]
        batches += [(which, batch) for batch in batches_of(items, args.batch_tokens)]
    random.Random(args.seed).shuffle(batches)
    samples, seconds, seen = train(model, batches, len(sets), args)
    quarter = max(1, len(seen) // 4)
    args.out.write_text(json.dumps({
        "samples": samples, "seconds": seconds,
        "first_loss": sum(seen[:quarter]) / quarter, "last_loss": sum(seen[-quarter:]) / quarter,
        "trained_numbers": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "versions": {"torch": torch.__version__, "peft": peft.__version__,
                     "transformers": transformers.__version__}}))


if __name__ == "__main__":
    main()
