"""Writes golden PEFT folders and what they stand for, by PEFT itself.

    pip install peft torch transformers
    python3 tests/golden/make_peft.py

Each folder is what save_pretrained() writes for a LoRA on a tiny random model. `expected.safetensors`
beside it holds, under GGUF's names, the change of each weight that PEFT itself makes of it
(get_delta_weight), for the llama family with the rows of q and k permuted by the reshape that
llama.cpp's conversion script applies to the weights.
"""

import pathlib

import peft
import safetensors.torch
import torch
import transformers

FOLDER = pathlib.Path(__file__).parent / "peft"
HEADS, KV_HEADS = 2, 1
GGUF = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
        "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}


def tiny(family):
    kinds = {"llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
             "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM)}
    make_config, make_model = kinds[family]
    return make_model(make_config(vocab_size=10, hidden_size=8, intermediate_size=16,
                                  num_hidden_layers=3, num_attention_heads=HEADS,
                                  num_key_value_heads=KV_HEADS))


def interleave(weight, heads):
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def write(name, family, **settings):
    torch.manual_seed(len(name))
    config = peft.LoraConfig(task_type="CAUSAL_LM", **settings)
    model = peft.get_peft_model(tiny(family), config)
    expected = {}
    for path, module in model.named_modules():
        if not isinstance(module, peft.tuners.lora.LoraLayer):
            continue
        for factor in (module.lora_A["default"], module.lora_B["default"]):
            torch.nn.init.normal_(factor.weight)
        delta = module.get_delta_weight("default").detach()
        words = path.split(".")
        kind = GGUF[words[-1]]
        if family == "llama" and kind in ("attn_q", "attn_k"):
            delta = interleave(delta, HEADS if kind == "attn_q" else KV_HEADS)
        expected[f"blk.{words[words.index('layers') + 1]}.{kind}.weight"] = delta.contiguous()
    model.peft_config["default"].base_model_name_or_path = "someone/tiny"
    folder = FOLDER / name
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    safetensors.torch.save_file(expected, folder / "expected.safetensors")


write("llama", "llama", r=2, lora_alpha=6, target_modules=list(GGUF), layers_to_transform=[1, 2])
write("llama-rslora", "llama", r=3, lora_alpha=5, use_rslora=True,
      target_modules=["q_proj", "k_proj", "down_proj"], layers_to_transform=[2],
      rank_pattern={"k_proj": 1}, alpha_pattern={"model.layers.2.self_attn.q_proj": 12})
write("qwen2", "qwen2", r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"],
      layers_to_transform=[1])
