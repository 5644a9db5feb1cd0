#include "crayon/trainer/internal/checkpoint.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/formats/safetensors.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr std::size_t kKept = 2;
constexpr std::string_view kFormat = "crayon-training";

Json to_json(const TrainValidation& v) {
  return {{"set", v.set},       {"n", v.n},
          {"base", v.base},     {"base_error", v.base_error},
          {"even", v.even},     {"even_error", v.even_error},
          {"tilted", v.tilted}, {"tilted_error", v.tilted_error}};
}

TrainValidation validation_from(const Json& json) {
  TrainValidation v;
  v.set = json.at("set").get<std::string>();
  v.n = json.at("n").get<std::size_t>();
  v.base = json.at("base").get<double>();
  v.base_error = json.at("base_error").get<double>();
  v.even = json.at("even").get<double>();
  v.even_error = json.at("even_error").get<double>();
  v.tilted = json.at("tilted").get<double>();
  v.tilted_error = json.at("tilted_error").get<double>();
  return v;
}

std::string state_text(const Checkpoint& checkpoint) {
  Json validation = Json::array();
  for (const auto& v : checkpoint.validation) validation.push_back(to_json(v));
  return Json{{"version", kVersion},
              {"step", checkpoint.step},
              {"samples", checkpoint.samples},
              {"seconds", checkpoint.seconds},
              {"base_sha256", checkpoint.base_sha256},
              {"number_type", checkpoint.number_type},
              {"config", checkpoint.config},
              {"replaces", checkpoint.replaces},
              {"rng", checkpoint.plan.rng},
              {"epochs", checkpoint.plan.epochs},
              {"cursors", checkpoint.plan.cursors},
              {"validation", validation}}
      .dump();
}

/// Throws nlohmann's exceptions; the caller turns them into Error.
void read_state(const Json& json, Checkpoint& checkpoint) {
  checkpoint.step = json.at("step").get<std::int64_t>();
  checkpoint.samples = json.at("samples").get<std::int64_t>();
  checkpoint.seconds = json.at("seconds").get<double>();
  checkpoint.base_sha256 = json.at("base_sha256").get<std::string>();
  checkpoint.number_type = json.at("number_type").get<std::string>();
  checkpoint.config = json.at("config").get<std::vector<std::string>>();
  checkpoint.replaces = json.value("replaces", "");  // older ones know of none
  checkpoint.plan.rng = json.at("rng").get<std::vector<std::uint64_t>>();
  checkpoint.plan.epochs = json.at("epochs").get<std::vector<std::uint64_t>>();
  checkpoint.plan.cursors = json.at("cursors").get<std::vector<std::uint64_t>>();
  for (const Json& v : json.at("validation")) checkpoint.validation.push_back(validation_from(v));
}

[[noreturn]] void refuse(const fs::path& file, const std::string& what) {
  throw Error(ErrorCode::CorruptFile,
              fmt::format("{}: {}; delete this file to go on from the one before it, or use "
                          "--restart",
                          file.string(), what));
}

Checkpoint parse_checkpoint(const Safetensors& stored, const fs::path& file) {
  const auto format = stored.metadata.find("format");
  const auto state = stored.metadata.find("state");
  if (format == stored.metadata.end() || format->second != kFormat ||
      state == stored.metadata.end()) {
    refuse(file,
           fmt::format("not a checkpoint of the trainer: metadata 'format' is {}, expected "
                       "'{}'",
                       format == stored.metadata.end() ? "missing" : format->second, kFormat));
  }
  Checkpoint checkpoint;
  try {
    const Json json = Json::parse(state->second);
    if (const int version = json.at("version").get<int>(); version != kVersion) {
      refuse(file, fmt::format("version {}, expected {}", version, kVersion));
    }
    read_state(json, checkpoint);
  } catch (const Json::exception& error) {
    refuse(file, fmt::format("its state cannot be read ({})", error.what()));
  }
  for (const auto& [name, tensor] : stored.tensors) {
    checkpoint.tensors[name] = {tensor.shape, tensor.data};
  }
  return checkpoint;
}

void make_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (!failed) return;
  throw Error(ErrorCode::Unavailable,
              fmt::format("{}: cannot make this folder: {}; set [train] checkpoints to one that "
                          "can be written",
                          folder.string(), failed.message()));
}

std::string value_of(const std::vector<std::string>& lines, const std::string& key) {
  for (const auto& line : lines) {
    if (line.compare(0, key.size() + 3, key + " = ") == 0) return line.substr(key.size() + 3);
  }
  return "missing";
}

/// Names of the sets in their order, from the lines that describe a run.
std::vector<std::string> set_names(const std::vector<std::string>& lines) {
  constexpr std::string_view kBegin = "set.";
  std::vector<std::string> names;
  for (const auto& line : lines) {
    if (!line.starts_with(kBegin)) continue;
    names.push_back(line.substr(kBegin.size(), line.find(" = ") - kBegin.size()));
  }
  return names;
}

}  // namespace

std::vector<std::byte> write_checkpoint(const Checkpoint& checkpoint) {
  Safetensors stored;
  stored.metadata["format"] = kFormat;
  stored.metadata["state"] = state_text(checkpoint);
  for (const auto& [name, tensor] : checkpoint.tensors) {
    stored.tensors[name] = {tensor.shape, tensor.data};
  }
  return write_safetensors(stored);
}

Checkpoint read_checkpoint(std::span<const std::byte> bytes, const fs::path& file) {
  Safetensors stored;
  try {
    stored = read_safetensors(bytes, file.string());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::CorruptFile && error.code() != ErrorCode::Unsupported) throw;
    throw Error(ErrorCode::CorruptFile,
                fmt::format("{}; delete this file to go on from the one before it, or use "
                            "--restart",
                            error.what()));
  }
  return parse_checkpoint(stored, file);
}

std::vector<fs::path> CheckpointFolder::files() const {
  std::vector<fs::path> files;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder_, none)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("step-", 0) == 0 && entry.path().extension() == ".safetensors") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::optional<fs::path> CheckpointFolder::newest() const {
  const auto all = files();
  if (all.empty()) return std::nullopt;
  return all.back();
}

void CheckpointFolder::save(const Checkpoint& checkpoint) const {
  make_folder(folder_);
  write_atomically(folder_ / fmt::format("step-{:08}.safetensors", checkpoint.step),
                   write_checkpoint(checkpoint));
  auto old = files();
  while (old.size() > kKept) {
    fs::remove(old.front());
    old.erase(old.begin());
  }
}

Checkpoint CheckpointFolder::load_newest() const {
  const auto file = newest();
  if (!file) {
    throw Error(ErrorCode::NotFound,
                fmt::format("{}: no checkpoint here; start without --resume and --export",
                            folder_.string()));
  }
  return read_checkpoint(read_file(*file), *file);
}

void CheckpointFolder::clear() const {
  for (const auto& file : files()) fs::remove(file);
  fs::remove(log_file());
}

void CheckpointFolder::remove_leftovers(const FolderLock& /*lock*/) const {
  std::vector<fs::path> leftovers;
  std::error_code ignored;  // a file too many does no harm
  for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
    const std::string name = entry.path().filename().string();  // as write_atomically() gives them
    if (name.starts_with("step-") && name.find(".safetensors.") != std::string::npos &&
        name.ends_with(".part")) {
      leftovers.push_back(entry.path());
    }
  }
  for (const fs::path& file : leftovers) fs::remove(file, ignored);
}

FolderLock::FolderLock(const fs::path& folder) {
  make_folder(folder);
  const fs::path path = folder / ".lock";
  file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ >= 0 && flock(file_, LOCK_EX | LOCK_NB) == 0) return;
  const int reason = errno;
  if (file_ >= 0) close(file_);
  const bool taken = file_ >= 0 && reason == EWOULDBLOCK;
  throw Error(ErrorCode::Unavailable,
              fmt::format("{}: {}", folder.string(),
                          taken ? "another crayon-trainer works here; wait for it, or set [train] "
                                  "checkpoints to another folder"
                                : fmt::format("cannot be locked: {}", std::strerror(reason))));
}

FolderLock::~FolderLock() { close(file_); }

std::string changed_lines(const std::vector<std::string>& before,
                          const std::vector<std::string>& now) {
  std::string changed;
  const auto compare = [&](const std::vector<std::string>& lines) {
    for (const auto& line : lines) {
      const std::string key = line.substr(0, line.find(" = "));
      const std::string old_value = value_of(before, key);
      const std::string new_value = value_of(now, key);
      const std::string text = fmt::format("{} ({}, now {})", key, old_value, new_value);
      if (old_value != new_value && changed.find(text) == std::string::npos) {
        changed += (changed.empty() ? "" : ", ") + text;
      }
    }
  };
  compare(now);
  compare(before);
  const auto old_sets = set_names(before);
  const auto new_sets = set_names(now);
  if (changed.empty() && old_sets != new_sets) {  // plan and validation know sets by their index
    changed = fmt::format("order of the [[set]] tables ({}, now {})", fmt::join(old_sets, ", "),
                          fmt::join(new_sets, ", "));
  }
  return changed;
}

void check_same_run(const Checkpoint& checkpoint, const std::vector<std::string>& config,
                    const std::string& base_sha256) {
  if (checkpoint.base_sha256 != base_sha256) {
    throw Error(ErrorCode::Incompatible,
                fmt::format("the checkpoint was made for the base model with SHA-256 {}, but this "
                            "one has {}; use that model, or --restart",
                            checkpoint.base_sha256, base_sha256));
  }
  const std::string changed = changed_lines(checkpoint.config, config);
  if (changed.empty()) return;
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("the config is not the one of the checkpoint: {}; set these back to "
                          "resume, or use --restart to begin anew",
                          changed));
}

}  // namespace crayon
