#include "crayon/formats/data_sets.h"

#include <algorithm>
#include <map>

#include "crayon/base/files.h"
#include "crayon/base/random.h"
#include "crayon/formats/examples.h"
#include "crayon/formats/internal/messages.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLayouts =
    "NAME.jsonl[.gz], NAME/train.jsonl[.gz] or train.jsonl[.gz], each with a validation file "
    "beside train where there is one";

/// "mine" of "mine.jsonl" and "mine.jsonl.gz"; "" of other names.
std::string stem_of(const fs::path& path) {
  std::string name = path.filename().string();
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  if (name.starts_with(".") || !name.ends_with(".jsonl")) return "";
  return name.substr(0, name.size() - 6);
}

/// folder/stem.jsonl or folder/stem.jsonl.gz; "" where neither is there.
fs::path find_rows(const fs::path& folder, const std::string& stem) {
  for (const char* suffix : {".jsonl", ".jsonl.gz"}) {
    const fs::path path = folder / (stem + suffix);
    if (file_kind(path) == FileKind::File) return path;
  }
  return {};
}

void add_set(std::map<std::string, DataSet>& sets, DataSet set, const fs::path& folder) {
  const std::string name = set.name;
  const auto [other, is_new] = sets.emplace(name, std::move(set));
  if (is_new) return;
  throw file_error(ErrorCode::InvalidArgument, folder.string(),
                   "holds the set '{}' twice, as {} too; rename one", name,
                   other->second.train.string());
}

}  // namespace

std::vector<DataSet> find_data_sets(const fs::path& folder) {
  if (file_kind(folder) != FileKind::Folder) {
    throw file_error(ErrorCode::NotFound, folder.string(), "no such folder, expected one with {}",
                     kLayouts);
  }
  const fs::path whole = fs::absolute(folder / "").lexically_normal();
  if (const fs::path train = find_rows(folder, "train"); !train.empty()) {
    return {{whole.parent_path().filename().string(), train, find_rows(folder, "validation")}};
  }
  std::map<std::string, DataSet> sets;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) {
      const fs::path train = find_rows(entry.path(), "train");
      if (train.empty()) continue;
      add_set(sets,
              {entry.path().filename().string(), train, find_rows(entry.path(), "validation")},
              folder);
    } else if (const std::string name = stem_of(entry.path()); !name.empty()) {
      add_set(sets, {name, entry.path(), {}}, folder);
    }
  }
  if (sets.empty()) {
    throw file_error(ErrorCode::InvalidArgument, folder.string(),
                     "holds no set, expected {}; add one", kLayouts);
  }
  std::vector<DataSet> result;
  for (auto& [name, set] : sets) result.push_back(std::move(set));
  return result;
}

PromptSample sample_prompts(const fs::path& path, std::size_t n, std::uint64_t seed) {
  PromptSample sample;
  std::vector<fs::path> files;
  if (path != "-" && file_kind(path) == FileKind::Folder) {
    for (const DataSet& set : find_data_sets(path)) {
      files.push_back(set.train);
      sample.sets.push_back(set.name);
    }
  } else {
    files.push_back(path);
  }
  Rng rng(seed, "prompts");
  const std::size_t share = (n + files.size() - 1) / files.size();
  for (const fs::path& file : files) {
    std::vector<Example> examples = read_examples(file);
    if (examples.size() > share) {
      rng.shuffle(examples);
      examples.resize(share);
    }
    std::ranges::move(examples, std::back_inserter(sample.examples));
  }
  rng.shuffle(sample.examples);
  if (sample.examples.size() > n) sample.examples.resize(n);
  return sample;
}

}  // namespace crayon
