#include "crayon/prompt/example.h"

namespace crayon {

bool has_label(const Example& example) {
  switch (example.kind) {
    case ExampleKind::Choices:
      return example.answer.has_value();
    case ExampleKind::Completion:
      return example.completion.has_value();
    case ExampleKind::Messages:
      return !example.messages.empty() && example.messages.back().role == "assistant";
  }
  return false;
}

}  // namespace crayon
