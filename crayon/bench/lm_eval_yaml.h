#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "crayon/prompt/example.h"
namespace crayon {
struct LmEvalExample {
  Example example;
  std::string text;
  std::string delimiter;
};
std::vector<LmEvalExample> read_lm_eval_task(const std::filesystem::path& yaml,
                                             const std::string& split);
bool lm_eval_has_split(const std::filesystem::path& yaml, const std::string& split);
}  // namespace crayon
