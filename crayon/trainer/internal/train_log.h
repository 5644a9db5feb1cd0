// log.jsonl of a training run: one object a step, and one a validation. Appended to, so a resumed
// run goes on in it; no text of any example. Where it cannot be written any more (a full disk) it
// ends with a warning: training goes on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

#include "crayon/trainer/train.h"

namespace crayon {

struct StepRecord {
  std::int64_t step = 0, samples = 0;
  std::string set;
  double loss = 0, choice = 0, answer = 0, balance = 0, diversity = 0, gradient = 0;
  double tilt = 0, rate = 0;
  double samples_per_second = 0;  ///< Of this call so far.
};

class TrainLog {
 public:
  /// @throws Error Unavailable  the file cannot be written
  explicit TrainLog(const std::filesystem::path& file);
  void step(const StepRecord& record);
  void validation(std::int64_t step, std::span<const TrainValidation> validation);
  void finished(const TrainReport& report);

 private:
  void write(const std::string& line);

  std::filesystem::path file_;
  std::ofstream out_;
};

}  // namespace crayon
