// Names and row orders of PEFT and GGUF, one table for both ways.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crayon/base/matrix.h"
#include "crayon/formats/base_model.h"

namespace crayon {

/// A matrix of a block as PEFT and as GGUF name it.
struct PeftModule {
  std::string_view peft;  ///< "self_attn.q_proj"
  std::string_view gguf;  ///< "attn_q"
};

/// "model.layers.3.self_attn.q_proj" to its layer and matrix; none where it is not of such a form.
struct PeftPlace {
  int layer = 0;
  const PeftModule* module = nullptr;
};
[[nodiscard]] std::optional<PeftPlace> find_peft_place(std::string_view path);
/// "blk.3.attn_q.weight" to the same.
[[nodiscard]] std::optional<PeftPlace> find_gguf_place(std::string_view tensor);

[[nodiscard]] std::string peft_path(const PeftPlace& place);
[[nodiscard]] std::string gguf_name(const PeftPlace& place);
/// "q_proj, k_proj, ...", for messages.
[[nodiscard]] std::string known_peft_modules();

/// The heads that share the rows of a matrix whose rows PEFT and GGUF order differently; 0: the
/// same order in both.
[[nodiscard]] int reordered_heads(const PeftPlace& place, const BaseModel& base);

enum class RowOrder { Gguf, Peft };
/// B [d_out, r] with its rows in another order. @param heads  d_out is an even multiple of it
[[nodiscard]] Matrix reorder_rows(const Matrix& b, int heads, RowOrder to);

}  // namespace crayon
