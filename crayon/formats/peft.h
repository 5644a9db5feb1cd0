// Adapters of Hugging Face PEFT (a folder with adapter_config.json and adapter_model.safetensors)
// to Crayon's and back. PEFT names modules as Transformers does (model.layers.3.self_attn.q_proj),
// and the rows of q and k stand in the order of its rotary embedding, the two halves of a head one
// after the other; GGUF files of the llama family interleave them. Both are turned round here and
// nowhere else.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "crayon/adapter/adapter.h"
#include "crayon/formats/base_model.h"

namespace crayon {

struct PeftAdapter {
  Adapter adapter;               ///< In the base's GGUF names and row order; base_id is the base's.
  std::string base_model;        ///< base_model_name_or_path, as its config says; may be "".
  bool rank_stabilised = false;  ///< rsLoRA: scale = alpha / sqrt r.
};

/// Is it a folder that holds an adapter_config.json?
[[nodiscard]] bool is_peft_folder(const std::filesystem::path& folder);

/// Reads a folder. Each matrix has its own rank and scale (rank_pattern, alpha_pattern, rsLoRA).
/// @param base  the model that it is to be used with; its shapes are checked by check_fits_model()
/// @throws Error NotFound       a file is missing; says so too where only a pickle is there
/// @throws Error CorruptFile    the config or the tensors cannot be read or do not fit each other
/// @throws Error Incompatible   a layer that the base does not have, rows that its heads cannot
///                              share
/// @throws Error Unsupported    another method than LoRA, DoRA, biases, whole modules, an
///                              initialisation that changes the base, modules or an architecture
///                              that Crayon does not know; names what was found
[[nodiscard]] PeftAdapter read_peft(const std::filesystem::path& folder, const BaseModel& base);

struct PeftOptions {
  BaseModel base;          ///< Whose heads order the rows of q and k.
  std::string base_model;  ///< base_model_name_or_path to write; "": the base's name.
};

/// Writes a folder that PEFT loads: F32, scales folded into B, one rank R, lora_alpha = R. All of
/// it appears in one step.
/// @throws Error InvalidArgument  something stands there already
/// @throws Error Unsupported      a tensor that PEFT has no name for, or another architecture
/// @throws Error Unavailable      it cannot be written
void write_peft(const std::filesystem::path& folder, const Adapter& adapter,
                const PeftOptions& options);

}  // namespace crayon
