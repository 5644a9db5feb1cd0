// What the benchmark has worked out so far, on disk: a value for each key, found by the hash of its
// key. Each file is written in one step, so a run that is killed loses only the value it worked on,
// and a run with the same inputs finds all others.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

namespace crayon {

class ResultStore {
 public:
  /// Makes the folder. @throws Error Unavailable
  explicit ResultStore(std::filesystem::path folder);

  /// The value of a key, if it is there; a file that cannot be read counts as not there.
  [[nodiscard]] std::optional<nlohmann::json> get(const nlohmann::json& key) const;
  /// @throws Error Unavailable  it cannot be written
  void put(const nlohmann::json& key, const nlohmann::json& value) const;
  /// A folder for larger files that belong to a key (an adapter that was trained); it need not
  /// exist.
  [[nodiscard]] std::filesystem::path folder_of(const nlohmann::json& key) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace crayon
