#include "crayon/bench/lm_eval_yaml.h"

#include "crayon/base/error.h"
namespace crayon {
std::vector<LmEvalExample> read_lm_eval_task(const std::filesystem::path&, const std::string&) {
  throw Error(ErrorCode::Unsupported, "yaml");
}
bool lm_eval_has_split(const std::filesystem::path&, const std::string&) { return false; }
}  // namespace crayon
