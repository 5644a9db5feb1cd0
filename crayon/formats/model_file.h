// What a model's GGUF says of the model, read by our own reader before llama.cpp sees the file.
#pragma once

#include <filesystem>

#include "crayon/formats/base_model.h"
#include "crayon/formats/gguf.h"

namespace crayon {

/// Is it a family whose models Crayon runs, trains and adapts ("llama", "qwen2")?
/// @param where  a file or a model's name, for the message
/// @throws Error Unsupported  names it and those that are known
void check_architecture(const std::string& architecture, const std::string& where);

/// @param with_hash  also hash the whole file; the hash is remembered beside the cache, keyed by
///                   path, size and time of change, so that it costs once
/// @throws Error CorruptFile, Unsupported (architecture, or what llama.cpp could not run), NotFound
[[nodiscard]] BaseModel describe_model(const std::filesystem::path& path, bool with_hash = true);
[[nodiscard]] BaseModel describe_model(const Gguf& gguf);

}  // namespace crayon
