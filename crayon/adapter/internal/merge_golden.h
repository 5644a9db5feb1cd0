// Reads tests/golden/merge.json, which make_merge_golden.py wrote with the programs that the merges
// and searches of this part follow; for tests only.
#pragma once

#include <Eigen/Core>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "crayon/adapter/blend.h"

namespace crayon::internal {

using Json = nlohmann::json;

inline const Json& merge_golden() {
  static const Json golden =
      Json::parse(std::ifstream(std::string(CRAYON_SOURCE_DIR) + "/tests/golden/merge.json"));
  return golden;
}

inline Matrix to_matrix(const Json& rows) {
  Matrix m(rows.size(), rows.at(0).size());
  for (std::size_t r = 0; r < m.rows; ++r) {
    for (std::size_t c = 0; c < m.cols; ++c) m.at(r, c) = rows.at(r).at(c).get<float>();
  }
  return m;
}

/// {name: {"a", "b", "scale"}}; a missing scale is 1.
inline Adapter to_adapter(const Json& tensors) {
  Adapter adapter{"golden", {}};
  for (const auto& [name, t] : tensors.items()) {  // a JSON object's keys come sorted
    adapter.tensors.push_back(
        {name, to_matrix(t.at("a")), to_matrix(t.at("b")), t.value("scale", 1.0f)});
  }
  return adapter;
}

inline std::vector<Adapter> to_adapters(const Json& list) {
  std::vector<Adapter> adapters;
  for (const Json& tensors : list) adapters.push_back(to_adapter(tensors));
  return adapters;
}

/// The adapters with a case's weights; borrows them.
inline std::vector<BlendPart> to_parts(const std::vector<Adapter>& adapters, const Json& weights) {
  std::vector<BlendPart> parts;
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    parts.push_back({adapters[i], weights.at(i).get<float>()});
  }
  return parts;
}

inline Eigen::MatrixXd dense(const Matrix& m) {
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const RowMajor>(m.data.data(), static_cast<Eigen::Index>(m.rows),
                                    static_cast<Eigen::Index>(m.cols))
      .cast<double>();
}

/// scale * B * A
inline Eigen::MatrixXd dense_delta(const LoraTensor& t) {
  return double{t.scale} * dense(t.b) * dense(t.a);
}

/// ||got - want|| / ||want||
inline double relative_error(const Eigen::MatrixXd& got, const Eigen::MatrixXd& want) {
  return (got - want).norm() / want.norm();
}

}  // namespace crayon::internal
