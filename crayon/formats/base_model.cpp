#include "crayon/formats/base_model.h"

#include <fmt/format.h>

#include <vector>

#include "crayon/base/error.h"

namespace crayon {
namespace {

template <typename T>
void note(std::vector<std::string>& differences, const char* what, const T& wanted,
          const T& found) {
  if (wanted != found) differences.push_back(fmt::format("{} {}, not {}", what, found, wanted));
}

/// "smollm2 (llama-30x576-...)"
std::string label(const BaseModel& model) { return fmt::format("{} ({})", model.name, model.id()); }

}  // namespace

std::string BaseModel::id() const {
  return fmt::format("{}-{}x{}-h{}.{}-ff{}-v{}-{}", architecture, n_layers, d_model, n_heads,
                     n_kv_heads, d_ff, n_vocab, vocab_sha256.substr(0, 8));
}

BaseFit check_base(const BaseModel& wanted, const BaseModel& found, const std::string& wanted_by) {
  std::vector<std::string> differences;
  note(differences, "architecture", wanted.architecture, found.architecture);
  note(differences, "layers", wanted.n_layers, found.n_layers);
  note(differences, "embedding length", wanted.d_model, found.d_model);
  note(differences, "heads", wanted.n_heads, found.n_heads);
  note(differences, "key-value heads", wanted.n_kv_heads, found.n_kv_heads);
  note(differences, "feed-forward length", wanted.d_ff, found.d_ff);
  note(differences, "vocabulary size", wanted.n_vocab, found.n_vocab);
  note(differences, "vocabulary hash", wanted.vocab_sha256.substr(0, 8),
       found.vocab_sha256.substr(0, 8));
  if (differences.empty() && wanted.vocab_sha256 != found.vocab_sha256) {
    differences.emplace_back("vocabulary hash differs after its first digits");
  }
  if (differences.empty()) {
    return wanted.sha256 == found.sha256 ? BaseFit::Same : BaseFit::Requantised;
  }
  throw Error(ErrorCode::Incompatible,
              fmt::format("{} needs base model {}, but got {}: {}; name its base with --model",
                          wanted_by, label(wanted), label(found), fmt::join(differences, ", ")));
}

}  // namespace crayon
