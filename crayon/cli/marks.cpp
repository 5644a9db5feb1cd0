#include "crayon/cli/marks.h"

#include <fmt/format.h>

#include "crayon/base/files.h"
#include "crayon/base/log.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/session/calibrate.h"

namespace crayon {

std::vector<JudgedSignals> marks_of(const OpenTask& task, std::span<const JudgedDecision> marks) {
  const auto of_choices = judged_by_marks(marks, true);
  const auto of_text = judged_by_marks(marks, false);
  if (of_choices.empty() || of_text.empty()) return of_choices.empty() ? of_text : of_choices;
  const bool choices = !task.info->judged.empty() || of_choices.size() >= of_text.size();
  log_warning(fmt::format(
      "task '{}' has marks of choices and of free text, whose signals differ; "
      "the {} of {} are used",
      task.name, (choices ? of_choices : of_text).size(), choices ? "choices" : "free text"));
  return choices ? of_choices : of_text;
}

CalibrateResult recalibrate_task(const OpenTask& task, std::span<const JudgedSignals> questions,
                                 std::span<const JudgedSignals> marks,
                                 const std::filesystem::path& out) {
  const Gguf gguf = Gguf::open(task.file);
  Task changed = task_from_gguf(gguf);
  CalibrateResult result;
  result.task = task.name;
  result.report = recalibrate(*changed.info, questions, marks);
  if (!out.empty()) write_atomically(out, task_to_gguf(changed, lora_type(gguf)));
  result.file = out;
  return result;
}

}  // namespace crayon
