#include "crayon/trainer/internal/process_group.h"

#include <torch/torch.h>

#include "crayon/base/error.h"

namespace crayon {

void ProcessGroup::sum(torch::Tensor) {}
void ProcessGroup::broadcast(torch::Tensor) {}
void ProcessGroup::meet(const std::string&) {}
std::string ProcessGroup::from_leader(const std::string&, const std::string& text) { return text; }
WorkerFailure ProcessGroup::tell(const WorkerFailure& failure) { return failure; }
void ProcessGroup::leave() noexcept {}

void ProcessGroup::sum(std::span<float> values) {
  if (size() == 1 || values.empty()) return;
  sum(torch::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, torch::kFloat32));
}

bool ProcessGroup::any(bool yes) {
  float count = yes ? 1.0f : 0.0f;
  sum(std::span(&count, 1));
  return count > 0;
}

std::vector<std::byte> ProcessGroup::from_leader(std::vector<std::byte> bytes) {
  if (size() == 1) return bytes;
  torch::Tensor length = torch::tensor({static_cast<std::int64_t>(bytes.size())}, torch::kInt64);
  broadcast(length);
  bytes.resize(static_cast<std::size_t>(length.item<std::int64_t>()));
  if (bytes.empty()) return bytes;
  broadcast(torch::from_blob(bytes.data(), {length.item<std::int64_t>()}, torch::kUInt8));
  return bytes;
}

std::shared_ptr<ProcessGroup> join_workers(const WorkerPlace& place) {
  if (place.size == 1) return std::make_shared<ProcessGroup>(place);
  try {
    return join_others(place);
  } catch (const WorkerFailed& failed) {
    throw Error(ErrorCode::Unavailable, failed.what());
  }
}

}  // namespace crayon
