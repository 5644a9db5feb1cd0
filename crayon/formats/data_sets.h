// Data sets as people keep them: JSONL files, and folders of them.
//   ROOT/NAME.jsonl[.gz]                       a file is a set
//   ROOT/NAME/{train,validation}.jsonl[.gz]    a sub-folder with a train file is a set
//   ROOT/{train,validation}.jsonl[.gz]         ROOT itself is one set
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "crayon/prompt/example.h"

namespace crayon {

struct DataSet {
  std::string name;
  std::filesystem::path train;
  std::filesystem::path validation;  ///< "" where there is none.
};

/// The sets below a folder, by name; what else lies there is left alone.
/// @throws Error NotFound         no such folder
/// @throws Error InvalidArgument  no set there, or one name twice (a.jsonl and a/train.jsonl)
[[nodiscard]] std::vector<DataSet> find_data_sets(const std::filesystem::path& folder);

struct PromptSample {
  std::vector<Example> examples;
  std::vector<std::string> sets;  ///< Names of the sets they come from; empty for a file.
};

/// About `n` examples of a JSONL file ("-": standard input) or of the training rows of a folder's
/// sets, as many from each set as it has, up to an equal share; drawn by `seed`, in random order.
/// @throws Error  as find_data_sets() and read_examples()
[[nodiscard]] PromptSample sample_prompts(const std::filesystem::path& path, std::size_t n,
                                          std::uint64_t seed);

}  // namespace crayon
