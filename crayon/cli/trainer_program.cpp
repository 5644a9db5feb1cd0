#include "crayon/cli/trainer_program.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace crayon {
namespace {

namespace fs = std::filesystem;

bool runnable(const fs::path& file) {
  return fs::is_regular_file(file) && access(file.c_str(), X_OK) == 0;
}

}  // namespace

fs::path find_trainer() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error && runnable(self.parent_path() / kTrainer)) return self.parent_path() / kTrainer;
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(':'), rest.size());
    if (end > 0 && runnable(fs::path(rest.substr(0, end)) / kTrainer)) {
      return fs::path(rest.substr(0, end)) / kTrainer;
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

}  // namespace crayon
