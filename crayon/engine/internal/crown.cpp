#include "crayon/engine/internal/crown.h"

#include <fmt/format.h>
#include <ggml.h>
#include <gguf.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/engine/internal/memory_file.h"

namespace crayon::internal {
namespace {

struct FreeGguf {
  void operator()(gguf_context* p) const noexcept { gguf_free(p); }
  void operator()(ggml_context* p) const noexcept { ggml_free(p); }
};
using GgufHandle = std::unique_ptr<gguf_context, FreeGguf>;

/// The name of a tensor in the crown; none where it has no place there.
std::optional<std::string> name_in_crown(const std::string& name, int first_layer) {
  const auto layer = layer_of(name);
  if (!layer) return name;
  if (*layer < first_layer) return std::nullopt;
  const std::string old = fmt::format("blk.{}.", *layer);
  return fmt::format("blk.{}.", *layer - first_layer) + name.substr(old.size());
}

void write(std::FILE* file, const void* bytes, std::size_t n) {
  if (std::fwrite(bytes, 1, n, file) == n) return;
  throw Error(ErrorCode::Unavailable,
              fmt::format("no memory for {} more bytes of the model's upper blocks", n));
}

/// Appends a tensor's bytes, filled up to the file's alignment.
void append(std::FILE* file, const Gguf& gguf, const GgufTensor& tensor, std::size_t alignment) {
  const auto bytes = gguf.read_bytes(tensor);
  write(file, bytes.data(), bytes.size());
  const std::vector<std::byte> fill((alignment - bytes.size() % alignment) % alignment);
  if (!fill.empty()) write(file, fill.data(), fill.size());
}

[[noreturn]] void throw_changed(const Gguf& gguf) {
  throw Error(ErrorCode::CorruptFile,
              fmt::format("{}: its header changed while it was in use; start again", gguf.file()));
}

/// The model's file again, as llama.cpp describes it; only the header is read.
struct Header {
  GgufHandle gguf;
  std::unique_ptr<ggml_context, FreeGguf> tensors;

  explicit Header(const Gguf& file) {
    ggml_context* made = nullptr;
    gguf.reset(gguf_init_from_file(file.file().c_str(), {.no_alloc = true, .ctx = &made}));
    tensors.reset(made);
    if (!gguf || made == nullptr) throw_changed(file);
  }
};

}  // namespace

bool has_crown(const Gguf& gguf) {
  const std::string prefix = gguf.text("general.architecture") + ".";
  return std::ranges::none_of(gguf.metadata(), [&](const auto& entry) {
    return entry.first.starts_with(prefix) && std::holds_alternative<GgufArray>(entry.second);
  });
}

std::shared_ptr<const LlamaModel> load_crown(const Gguf& gguf, int first_layer, int gpu_layers) {
  const Header header(gguf);
  const GgufHandle crown(gguf_init_empty());
  gguf_set_kv(crown.get(), header.gguf.get());
  const std::string blocks = gguf.text("general.architecture") + ".block_count";
  gguf_set_val_u32(
      crown.get(), blocks.c_str(),
      static_cast<std::uint32_t>(gguf.number(blocks)) - static_cast<std::uint32_t>(first_layer));
  std::vector<const GgufTensor*> kept;
  ggml_tensor* tensor = ggml_get_first_tensor(header.tensors.get());
  for (; tensor != nullptr; tensor = ggml_get_next_tensor(header.tensors.get(), tensor)) {
    const std::string name = ggml_get_name(tensor);
    const auto new_name = name_in_crown(name, first_layer);
    if (!new_name) continue;
    kept.push_back(gguf.find(name));
    if (kept.back() == nullptr || kept.back()->bytes != ggml_nbytes(tensor)) throw_changed(gguf);
    ggml_set_name(tensor, new_name->c_str());
    gguf_add_tensor(crown.get(), tensor);
  }
  const File file = memory_file("crayon-crown");
  if (!gguf_write_to_file_ptr(crown.get(), file.get(), /*only_meta=*/true)) {
    throw Error(ErrorCode::Unavailable, "no memory for the header of the model's upper blocks");
  }
  const std::size_t alignment = gguf_get_alignment(crown.get());
  for (const GgufTensor* one : kept) append(file.get(), gguf, *one, alignment);
  rewind_file(file);
  return std::make_shared<LlamaModel>(
      file.get(), fmt::format("{} from block {}", gguf.file(), first_layer), gpu_layers);
}

Adapter for_crown(Adapter adapter, int first_layer) {
  for (LoraTensor& tensor : adapter.tensors) {
    const auto name = name_in_crown(tensor.name, first_layer);
    if (!name || !layer_of(tensor.name)) {
      throw Error(ErrorCode::Incompatible,
                  fmt::format("the adapter changes '{}', but only blocks from {} on are computed "
                              "anew; prepare the prompts for a lower block",
                              tensor.name, first_layer));
    }
    tensor.name = *name;
  }
  std::ranges::sort(adapter.tensors, {}, &LoraTensor::name);
  return adapter;
}

}  // namespace crayon::internal
