// libjxl's SSIMULACRA 2 and Butteraugli of images in memory, for `peers.py`.
//
// Images are float planes of sRGB in [0, 1], `(3, height, width)`. Build it in a checkout of libjxl
// that CMake has configured in `build`, with highway in third_party:
//
//     g++ -std=c++17 -O3 -DNDEBUG -march=haswell -DHWY_COMPILE_ONLY_STATIC -DJXL_STATIC_DEFINE \
//         -DJXL_CMS_STATIC_DEFINE -DJPEGXL_ENABLE_SKCMS=0 -shared -fPIC -fno-rtti -I. -Ilib/include \
//         -Ithird_party/highway -Ibuild/lib/include -o libjxl_peer.so PATH/libjxl_peer.cc \
//         tools/{ssimulacra2,gauss_blur,no_memory_manager}.cc lib/extras/metrics.cc \
//         lib/jxl/{butteraugli/butteraugli,cms/jxl_cms,jpeg/jpeg_data,color_encoding_internal}.cc \
//         lib/jxl/{image,image_bundle,image_metadata,image_ops,headers,fields,simd_util}.cc \
//         lib/jxl/{enc_xyb,enc_image_bundle,enc_convolve_separable5,convolve_slow,luminance}.cc \
//         lib/jxl/{memory_manager_internal,dec_bit_reader,frame_header,loop_filter}.cc -llcms2
#include <jxl/cms.h>

#include <cstddef>
#include <cstring>
#include <utility>

#include "lib/extras/codec_in_out.h"
#include "lib/extras/metrics.h"
#include "lib/jxl/butteraugli/butteraugli.h"
#include "lib/jxl/color_encoding_internal.h"
#include "lib/jxl/image.h"
#include "tools/no_memory_manager.h"
#include "tools/ssimulacra2.h"

namespace {

jxl::Status Fill(const float* planes, size_t height, size_t width, jxl::ImageBundle* bundle) {
  JXL_ASSIGN_OR_RETURN(jxl::Image3F image,
                       jxl::Image3F::Create(jpegxl::tools::NoMemoryManager(), width, height));
  for (size_t c = 0; c < 3; ++c) {
    for (size_t y = 0; y < height; ++y) {
      std::memcpy(image.PlaneRow(c, y), planes + (c * height + y) * width, width * sizeof(float));
    }
  }
  JXL_RETURN_IF_ERROR(bundle->SetFromImage(std::move(image), jxl::ColorEncoding::SRGB(false)));
  return bundle->TransformTo(jxl::ColorEncoding::LinearSRGB(false), *JxlGetDefaultCms());
}

jxl::Status Scores(const float* reference, const float* distorted, size_t height, size_t width,
                   bool butteraugli, double* scores) {
  jxl::CodecInOut x(jpegxl::tools::NoMemoryManager()), y(jpegxl::tools::NoMemoryManager());
  JXL_RETURN_IF_ERROR(Fill(reference, height, width, &x.Main()));
  JXL_RETURN_IF_ERROR(Fill(distorted, height, width, &y.Main()));
  if (!butteraugli) {
    JXL_ASSIGN_OR_RETURN(Msssim result, ComputeSSIMULACRA2(x.Main(), y.Main()));
    scores[0] = result.Score();
    return true;
  }
  jxl::ButteraugliParams parameters;
  parameters.hf_asymmetry = 1.0f;
  parameters.xmul = 1.0f;
  parameters.intensity_target = 80.0f;
  jxl::ImageF map;
  JXL_RETURN_IF_ERROR(
      jxl::ButteraugliInterface(*x.Main().color(), *y.Main().color(), parameters, map, scores[0]));
  JXL_ASSIGN_OR_RETURN(scores[1], jxl::ComputeDistanceP(map, parameters, 3.0));
  return true;
}

}  // namespace

// Writes Butteraugli's maximum and 3-norm to `scores`; returns false on an error.
extern "C" bool libjxl_butteraugli(const float* reference, const float* distorted, size_t height,
                                   size_t width, double* scores) {
  return static_cast<bool>(Scores(reference, distorted, height, width, true, scores));
}

extern "C" bool libjxl_ssimulacra2(const float* reference, const float* distorted, size_t height,
                                   size_t width, double* scores) {
  return static_cast<bool>(Scores(reference, distorted, height, width, false, scores));
}
