"""Writes the f32 twin of a GGUF model (architecture llama, tokenizer smollm) for transformers.

    python benchmarks/lm_eval/twin.py MODEL.gguf FOLDER

It holds the weights as they are in MODEL.gguf, dequantised, as Crayon has them with --number-type f32.
"""

import argparse
import pathlib

import gguf
import numpy
import safetensors.numpy
import tokenizers
import transformers

BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
CONTROL = 3  # GGUF's token type of special tokens


def transformers_name(name):
    stem = name.removesuffix(".weight")
    if stem in TOP_NAMES:
        return TOP_NAMES[stem] + ".weight"
    _, block, part = stem.split(".")
    return f"model.layers.{block}.{BLOCK_NAMES[part]}.weight"


def unpermuted(rows, n_heads):
    """GGUF turns neighbours in each head of q and k (x0 y0 x1 y1 ...); transformers rotates halves
    (x0 x1 ... y0 y1 ...)."""
    pairs = rows.reshape(n_heads, rows.shape[0] // n_heads // 2, 2, rows.shape[1])
    return numpy.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows.shape))


def read(file):
    reader = gguf.GGUFReader(file)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    if fields["general.architecture"] != "llama" or fields["tokenizer.ggml.pre"] != "smollm":
        raise SystemExit(f"{file}: expected architecture llama and tokenizer smollm")
    weights = {t.name: gguf.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    return fields, weights


def write_weights(fields, weights, out):
    heads = {"attn_q": fields["llama.attention.head_count"],
             "attn_k": fields["llama.attention.head_count_kv"]}
    tensors = {}
    for name, data in weights.items():
        data = data.astype(numpy.float32)
        n_heads = next((n for part, n in heads.items() if part in name), None)
        tensors[transformers_name(name)] = unpermuted(data, n_heads) if n_heads else data
    safetensors.numpy.save_file(tensors, out / "model.safetensors", {"format": "pt"})


def write_config(fields, weights, out):
    rope = {"rope_type": "default", "rope_theta": fields["llama.rope.freq_base"]}
    config = transformers.LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=len(fields["tokenizer.ggml.tokens"]),
        hidden_size=fields["llama.embedding_length"],
        intermediate_size=fields["llama.feed_forward_length"],
        num_hidden_layers=fields["llama.block_count"],
        num_attention_heads=fields["llama.attention.head_count"],
        num_key_value_heads=fields["llama.attention.head_count_kv"],
        max_position_embeddings=fields["llama.context_length"],
        rms_norm_eps=fields["llama.attention.layer_norm_rms_epsilon"],
        rope_parameters=rope,
        tie_word_embeddings="output.weight" not in weights,
        bos_token_id=fields["tokenizer.ggml.bos_token_id"],
        eos_token_id=fields["tokenizer.ggml.eos_token_id"],
        dtype="float32",
    )
    config.save_pretrained(out)


def write_tokenizer(fields, out):
    """Byte-level BPE of GPT-2 whose digits stand alone: what "smollm" means. No BOS, as the GGUF
    says."""
    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([
        tokenizers.pre_tokenizers.Digits(individual_digits=True),
        tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False),
    ])
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    types = fields["tokenizer.ggml.token_type"]
    tokenizer.add_special_tokens([t for t, kind in zip(tokens, types) if kind == CONTROL])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=tokens[fields["tokenizer.ggml.bos_token_id"]],
        eos_token=tokens[fields["tokenizer.ggml.eos_token_id"]],
        pad_token=tokens[fields["tokenizer.ggml.padding_token_id"]],
        model_max_length=fields["llama.context_length"],
    ).save_pretrained(out)


def write_twin(file, folder):
    folder.mkdir(parents=True, exist_ok=True)
    fields, weights = read(file)
    write_weights(fields, weights, folder)
    write_config(fields, weights, folder)
    write_tokenizer(fields, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    write_twin(arguments.model, arguments.folder)
