"""Writes the golden files of formats/ with other tools: the PyPI packages gguf and safetensors.

    pip install gguf==0.19.0 safetensors==0.4.5 numpy
    python3 tests/golden/make_formats.py

Value number i of a tensor is ramp(i) = ((7 i) mod 17 - 8) / 8, which every number type but Q8_0
holds exactly; tests compute the same.
"""

import pathlib

import gguf
import numpy
import safetensors
from gguf import GGMLQuantizationType as Type

FOLDER = pathlib.Path(__file__).parent / "formats"


def ramp(*shape):
    i = numpy.arange(numpy.prod(shape), dtype=numpy.int64)
    return (((7 * i) % 17 - 8) / 8).astype(numpy.float32).reshape(shape)


def add(writer, name, values, number_type):
    if number_type == Type.F32:
        writer.add_tensor(name, values)
    elif number_type == Type.F16:
        writer.add_tensor(name, values.astype(numpy.float16))
    else:
        writer.add_tensor(name, gguf.quants.quantize(values, number_type), raw_dtype=number_type)


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def lora():
    """A LoRA as llama.cpp's converter writes it, its A in each type that Crayon reads."""
    writer = gguf.GGUFWriter(FOLDER / "lora.gguf", "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 4.0)
    types = {"attn_q": Type.F32, "attn_v": Type.F16, "ffn_down": Type.BF16, "ffn_up": Type.Q8_0}
    for name, number_type in types.items():
        add(writer, f"blk.1.{name}.weight.lora_a", ramp(2, 32), number_type)
        add(writer, f"blk.1.{name}.weight.lora_b", ramp(6, 2), Type.F32)
    write(writer)


def model():
    """A model's header with every kind of metadata, and tensors of block types."""
    writer = gguf.GGUFWriter(FOLDER / "model.gguf", "llama")
    writer.add_type("model")
    writer.add_name("golden")
    writer.add_block_count(2)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(96)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_token_list(["a", "b", "", "é", "<|end|>"])
    writer.add_token_types([1, 1, 3, 1, 3])
    writer.add_token_scores([0.0, -1.5, 2.0, 0.25, 0.0])
    writer.add_uint8("test.u8", 200)
    writer.add_int8("test.i8", -7)
    writer.add_uint16("test.u16", 60000)
    writer.add_int16("test.i16", -30000)
    writer.add_uint32("test.u32", 4_000_000_000)
    writer.add_int32("test.i32", -2_000_000_000)
    writer.add_uint64("test.u64", 2**63 + 1)
    writer.add_int64("test.i64", -(2**62))
    writer.add_float32("test.f32", 0.5)
    writer.add_float64("test.f64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_array("test.bools", [True, False])
    add(writer, "blk.0.attn_q.weight", ramp(64, 64), Type.Q4_0)
    add(writer, "blk.0.attn_k.weight", ramp(32, 64), Type.Q4_1)
    add(writer, "blk.0.ffn_up.weight", ramp(96, 64), Type.Q5_0)
    add(writer, "output_norm.weight", ramp(64), Type.F32)
    write(writer)


def tensors():
    def entry(dtype, values):
        return {"dtype": dtype, "shape": list(values.shape), "data": values.tobytes()}

    bfloat = (ramp(5).view(numpy.uint32) >> 16).astype(numpy.uint16)
    data = {
        "single": entry("float32", ramp(2, 3)),
        "half": entry("float16", ramp(4).astype(numpy.float16)),
        "double": entry("float64", ramp(3, 1).astype(numpy.float64)),
        "brain": entry("bfloat16", bfloat),
        "scalar": entry("float32", numpy.array(0.25, dtype=numpy.float32)),
        "empty": entry("float32", numpy.zeros((0, 4), dtype=numpy.float32)),
    }
    (FOLDER / "tensors.safetensors").write_bytes(safetensors.serialize(data, {"made": "elsewhere"}))


FOLDER.mkdir(exist_ok=True)
lora()
model()
tensors()
