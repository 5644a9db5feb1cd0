// An adapter as people have them, a llama.cpp LoRA file or a PEFT folder, made fit for one base.
#pragma once

#include <filesystem>
#include <string>

#include "crayon/adapter/adapter.h"
#include "crayon/formats/base_model.h"
#include "crayon/formats/gguf.h"

namespace crayon {

struct ImportedAdapter {
  Adapter adapter;         ///< base_id is the base's; each tensor fits the model.
  std::string form;        ///< "gguf" or "peft"
  std::string base_model;  ///< What a PEFT folder says that it was trained on, or "".
};

/// @param model  the base's opened GGUF  @param base  what describe_model() says of it
/// @throws Error NotFound, CorruptFile  as read_peft() and adapter_from_gguf()
/// @throws Error Incompatible  made for another base or architecture, a tensor that does not fit
/// @throws Error Unsupported   an architecture not known here, matrices outside of the blocks
[[nodiscard]] ImportedAdapter import_adapter(const std::filesystem::path& path, const Gguf& model,
                                             const BaseModel& base);

}  // namespace crayon
