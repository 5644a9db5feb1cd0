#include "crayon/testing/training.h"

#include <fmt/format.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "crayon/base/files.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

constexpr const char* kBefore = R"([base]
model = "tiny.gguf"
[pool]
name = "tiny"
out = "pool"
n_adapters = 3
rank = 2
first_layer = 1
[gate]
dims = 6
reference = 16
fit_prompts = 40
[train]
)";
constexpr const char* kTrain = R"(seed = 5
steps = 12
batch_tokens = 200
max_choices = 3
learning_rate = 0.02
key_learning_rate = 0.01
number_type = "f32"
device = "cpu"
threads = 1
validate_every = 5
validation_items = 6
calibration_items = 10
checkpoint_every = 4
)";
constexpr const char* kSets = R"([[set]]
name = "moods"
train = "moods.jsonl"
validation = "moods.jsonl"
licence = "CC0-1.0"
[[set]]
name = "ways"
train = "ways.jsonl"
validation = "ways.jsonl"
licence = "CC0-1.0"
weight = 2
)";

std::string key_of(const std::string& line) { return line.substr(0, line.find(' ')); }

/// kTrain with the lines of `more` in place of those with the same key.
std::string train_lines(const std::string& more) {
  std::string text;
  std::set<std::string> keys;
  std::istringstream changed(more), usual(kTrain);
  for (std::string line; std::getline(changed, line); text += line + "\n") {
    keys.insert(key_of(line));
  }
  for (std::string line; std::getline(usual, line);) {
    if (keys.count(key_of(line)) == 0) text += line + "\n";
  }
  return text;
}

}  // namespace

void write_training_set(const std::filesystem::path& file, const std::string& right,
                        const std::string& wrong, const std::string& about) {
  std::ofstream out(file);
  for (int i = 0; i < 24; ++i) {
    const bool first = i % 3 == 0;
    out << fmt::format(
               R"({{"question": "{} the {}", "choices": ["{}", "{}"], "answer": {}}})", about,
               std::string(static_cast<std::size_t>(1 + i % 5), static_cast<char>('a' + i % 20)),
               first ? right : wrong, first ? wrong : right, first ? 0 : 1)
        << '\n';
  }
}

void write_training_files(const std::filesystem::path& folder, const std::string& more) {
  write_random_model(folder / "tiny.gguf");
  write_training_set(folder / "moods.jsonl", "good", "bad", "feels");
  write_training_set(folder / "ways.jsonl", "down", "up", "goes");
  write_atomically(folder / "train.toml", kBefore + train_lines(more) + kSets);
}

}  // namespace crayon
