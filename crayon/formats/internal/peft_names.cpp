#include "crayon/formats/internal/peft_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "crayon/adapter/adapter.h"

namespace crayon {
namespace {

constexpr std::array<PeftModule, 7> kModules{{{"self_attn.q_proj", "attn_q"},
                                              {"self_attn.k_proj", "attn_k"},
                                              {"self_attn.v_proj", "attn_v"},
                                              {"self_attn.o_proj", "attn_output"},
                                              {"mlp.gate_proj", "ffn_gate"},
                                              {"mlp.up_proj", "ffn_up"},
                                              {"mlp.down_proj", "ffn_down"}}};
constexpr std::string_view kLayers = "model.layers.";

/// Row of a head of `length` rows: interleaved pairs (2 j + t) to halves (t length / 2 + j).
std::size_t half_row(std::size_t interleaved, std::size_t length) {
  return interleaved % 2 * (length / 2) + interleaved / 2;
}

}  // namespace

std::optional<PeftPlace> find_peft_place(std::string_view path) {
  // A model without its head is saved without the first word, "model.".
  const std::string_view layers = path.starts_with(kLayers) ? kLayers : kLayers.substr(6);
  if (!path.starts_with(layers)) return std::nullopt;
  const char* begin = path.data() + layers.size();
  const char* end = path.data() + path.size();
  PeftPlace place;
  const auto [stop, error] = std::from_chars(begin, end, place.layer);
  if (error != std::errc() || stop == end || *stop != '.' || place.layer < 0) return std::nullopt;
  const std::string_view rest(stop + 1, static_cast<std::size_t>(end - stop - 1));
  const auto found = std::ranges::find(kModules, rest, &PeftModule::peft);
  if (found == kModules.end()) return std::nullopt;
  place.module = &*found;
  return place;
}

std::optional<PeftPlace> find_gguf_place(std::string_view tensor) {
  const auto layer = layer_of(tensor);
  if (!layer) return std::nullopt;
  for (const PeftModule& module : kModules) {
    const PeftPlace place{*layer, &module};
    if (gguf_name(place) == tensor) return place;
  }
  return std::nullopt;
}

std::string peft_path(const PeftPlace& place) {
  return fmt::format("{}{}.{}", kLayers, place.layer, place.module->peft);
}

std::string gguf_name(const PeftPlace& place) {
  return fmt::format("blk.{}.{}.weight", place.layer, place.module->gguf);
}

std::string known_peft_modules() {
  std::string names;
  for (const PeftModule& module : kModules) {
    const auto name = module.peft.substr(module.peft.find('.') + 1);
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  }
  return names;
}

int reordered_heads(const PeftPlace& place, const BaseModel& base) {
  if (base.architecture != "llama") return 0;  // Qwen2's GGUF files keep the order of the halves
  if (place.module->gguf == "attn_q") return base.n_heads;
  return place.module->gguf == "attn_k" ? base.n_kv_heads : 0;
}

Matrix reorder_rows(const Matrix& b, int heads, RowOrder to) {
  const std::size_t length = b.rows / static_cast<std::size_t>(heads);
  Matrix result(b.rows, b.cols);
  for (std::size_t row = 0; row < b.rows; ++row) {
    const std::size_t halves = row / length * length + half_row(row % length, length);
    const std::size_t from = to == RowOrder::Gguf ? halves : row;
    const std::size_t at = to == RowOrder::Gguf ? row : halves;
    std::ranges::copy(b.row(from), result.row(at).begin());
  }
  return result;
}

}  // namespace crayon
