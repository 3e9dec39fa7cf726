{{- /* monoroot.image: (list $ image) -> the reference of an image, by digest where there is one. */ -}}
{{- define "monoroot.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $name := $image.repository -}}
{{- if $root.Values.imageRegistry -}}{{- $name = printf "%s/%s" $root.Values.imageRegistry $image.repository -}}{{- end -}}
{{- if $image.digest -}}{{ $name }}@{{ $image.digest }}{{- else -}}{{ $name }}:{{ required "each of images needs a tag or a digest" $image.tag }}{{- end -}}
{{- end -}}
