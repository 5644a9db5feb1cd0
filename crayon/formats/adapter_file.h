// Adapters as stock llama.cpp LoRA files (GGUF): scales folded into B, every tensor padded to one
// rank R, adapter.lora.alpha = R, so that llama.cpp's scale alpha / r is 1.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "crayon/adapter/adapter.h"
#include "crayon/formats/gguf.h"

namespace crayon {

struct AdapterFileOptions {
  std::string architecture = "llama";  ///< general.architecture, which llama.cpp checks.
  std::string name;                    ///< general.name
  TensorType type = TensorType::F16;   ///< Of A; B is F16 where Q8_0 does not fit its rows.
  std::map<std::string, GgufValue>
      metadata;            ///< Further keys ("crayon.base_id" is written anyway).
  bool fill_rank = false;  ///< R is fast_rank() of the adapter's own; the rest of it zeros.
};

/// The least rank from `rank` on that llama.cpp's fast kernels for matrices on CPUs take: above 16
/// a multiple of that. With others an adapter costs several times as much; smaller ones cost next
/// to nothing (benchmarks/adapter_rank.py).
[[nodiscard]] std::size_t fast_rank(std::size_t rank);

/// The adapter as the bytes of such a file. `options.metadata` cannot replace the keys that
/// llama.cpp reads; an adapter without tensors gives a file without them, of rank 1.
/// @throws Error InvalidArgument  A and B that do not match, numbers that are not finite or too
///                                large for their type; names the tensor
[[nodiscard]] std::vector<std::byte> adapter_to_gguf(const Adapter& adapter,
                                                     const AdapterFileOptions& options);

/// Reads any llama.cpp LoRA: base_id from crayon.base_id, "" in files of others; scale = alpha / r
/// of each tensor (1 when alpha is 0, as llama.cpp does). Last ranks that are all zeros are
/// dropped.
/// @throws Error CorruptFile  not a LoRA GGUF, a lora_a without its lora_b, shapes that do not
///                            match, numbers that are not finite; Unsupported: activated LoRA
[[nodiscard]] Adapter adapter_from_gguf(const Gguf& gguf);

/// The number type of a LoRA file's A, so that writing it again changes no number; F32 holds those
/// that are not written here.
[[nodiscard]] TensorType lora_type(const Gguf& gguf);

/// Does each tensor fit the base model's weight of that name? `model` is its opened GGUF.
/// @throws Error Incompatible  tensor, shape found, shape needed
void check_fits_model(const Adapter& adapter, const Gguf& model, const std::string& file);

}  // namespace crayon
